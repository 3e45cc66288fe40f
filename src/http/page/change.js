// What the user does here: registers, releases and copies. Every change goes through `/v1`.

import { byId, put } from "./dom.js";
import { focusRow, positionOf, serviceAt } from "./table.js";

const [name, port, dialog] = [byId("name"), byId("port"), document.querySelector("dialog")];
/** The service that the dialog asks about. */
let asked;

/** Connects forms and buttons; `look` updates the page after a change to a service. */
export function watchForms(look) {
  byId("register").addEventListener("submit", (event) => {
    event.preventDefault();
    register(look);
  });
  byId("release").addEventListener("click", () => release(look));
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.className === "release") askFor(serviceAt(button));
    else if (button?.className === "copy") copy(`http://localhost:${serviceAt(button).port}/`);
    else if (button?.dataset.copies) copy(byId(button.dataset.copies).textContent);
  });
  // The row that had the focus may be gone.
  dialog.addEventListener("close", () => document.activeElement === document.body && byId("filter").focus());
}

/** Sends a change; throws the problem that pald answers. */
async function send(method, path, request) {
  const init = { method, signal: AbortSignal.timeout(20_000) };
  if (request) Object.assign(init, { body: JSON.stringify(request), headers: { "Content-Type": "application/json" } });
  const reply = await fetch(path, init).catch(() => {
    throw { detail: "pald does not answer" };
  });
  if (reply.ok) return reply.status === 204 ? null : reply.json();
  throw await reply.json().catch(() => ({ detail: `pald answered with status ${reply.status}` }));
}

const isDots = (name) => name === "." || name === "..";
const pathOf = (name) => `/v1/services/${encodeURIComponent(name)}`;
const inWords = ({ detail, hint }) => (hint ? `${detail}\n${hint}` : detail);

async function register(look) {
  refuse(null, "");
  const [service, wanted] = [name.value, port.value.trim()];
  // Browsers remove these two from every path.
  if (isDots(service)) return refuse(name, `A browser can’t send this name; run “pald set ${service}” in a shell`);
  if (service === "") return refuse(name, "Type a name: 1 to 255 letters, digits and . _ -");
  if (!/^[0-9]*$/.test(wanted)) return refuse(port, "A port is a number from 1 to 65535");
  try {
    const made = await send("PUT", pathOf(service), wanted && { port: Number(wanted) });
    await look(made.name);
    put("news", `Registered ${made.name} on port ${made.port}`);
    name.value = port.value = "";
    name.focus();
  } catch (problem) {
    refuse(/:(port|pool)-/.test(problem.type) ? port : name, inWords(problem));
  }
}

/** Shows what is wrong with the form, and where. */
function refuse(field, text) {
  put("mistake", text);
  for (const input of [name, port]) input.ariaInvalid = input === field ? "true" : null;
  field?.focus();
}

function askFor(service) {
  asked = service;
  const { name, port, holder } = service;
  put("target", name);
  const user = holder?.process ? ` ${holder.process} (pid ${holder.pid}) keeps using it.` : "";
  put("consequence", `Another service may then get port ${port}.${user}`);
  put("refusal", "");
  dialog.showModal();
}

async function release(look) {
  const { name, port } = asked;
  const position = positionOf(asked);
  try {
    await send("DELETE", isDots(name) ? `/v1/ports/${port}` : pathOf(name));
    dialog.close();
    await look(name);
    put("news", `Released ${name} and its port ${port}`);
    focusRow(position);
  } catch (problem) {
    put("refusal", inWords(problem));
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    put("news", `Copied ${text}`);
  } catch {
    // Over HTTP, browsers allow the clipboard on localhost only.
    put("news", `The browser does not let this page copy ${text}`);
  }
}
