// What a person does here: registers, deletes and copies. Every change goes through `/v1`.

import { byId, put } from "./dom.js";
import { focusRow, positionOf, serviceAt } from "./table.js";

const [name, port, dialog] = [byId("name"), byId("port"), document.querySelector("dialog")];
/** The service that the dialog is about. */
let victim;

/** Connects forms and buttons; `look` shows what has become of a service. */
export function watchForms(look) {
  byId("register").addEventListener("submit", (event) => {
    event.preventDefault();
    register(look);
  });
  byId("delete").addEventListener("click", () => remove(look));
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.className === "delete") askFor(serviceAt(button));
    else if (button?.className === "copy") copy(`http://localhost:${serviceAt(button).port}/`);
    else if (button?.dataset.copies) copy(byId(button.dataset.copies).textContent);
  });
  // Its row may have gone meanwhile.
  dialog.addEventListener("close", () => document.activeElement === document.body && byId("filter").focus());
}

/** Sends a change; throws the problem, as pald tells it. */
async function send(method, path, wish) {
  const init = { method, signal: AbortSignal.timeout(20_000) };
  if (wish) Object.assign(init, { body: JSON.stringify(wish), headers: { "Content-Type": "application/json" } });
  const reply = await fetch(path, init).catch(() => {
    throw { detail: "pald does not answer" };
  });
  if (reply.ok) return reply.status === 204 ? null : reply.json();
  throw await reply.json().catch(() => ({ detail: `pald answers with status ${reply.status}` }));
}

const isDots = (name) => name === "." || name === "..";
const pathOf = (name) => `/v1/services/${encodeURIComponent(name)}`;
const inWords = ({ detail, hint }) => (hint ? `${detail}\n${hint}` : detail);

async function register(look) {
  refuse(null, "");
  const [service, wanted] = [name.value, port.value.trim()];
  // Browsers take these two out of every path.
  if (isDots(service)) return refuse(name, `A browser can’t send this name; “pald set ${service}” in a shell registers it`);
  if (service === "") return refuse(name, "Type a name: 1 to 255 letters, digits and . _ -");
  if (!/^[0-9]*$/.test(wanted)) return refuse(port, "A port is a number from 1 to 65535");
  try {
    const made = await send("PUT", pathOf(service), wanted && { port: Number(wanted) });
    await look(made.name);
    put("news", `Port ${made.port} is registered for ${made.name}`);
    name.value = port.value = "";
    name.focus();
  } catch (problem) {
    refuse(/:(port|pool)-/.test(problem.type) ? port : name, inWords(problem));
  }
}

/** Says what is wrong with the form, and where. */
function refuse(field, text) {
  put("mistake", text);
  for (const input of [name, port]) input.ariaInvalid = input === field ? "true" : null;
  field?.focus();
}

function askFor(service) {
  victim = service;
  const { name, port, holder } = service;
  put("victim", name);
  const user = holder?.process ? ` ${holder.process} (pid ${holder.pid}) goes on using it.` : "";
  put("consequence", `Port ${port} may then be given to another service.${user}`);
  put("refusal", "");
  dialog.showModal();
}

async function remove(look) {
  const { name, port } = victim;
  const position = positionOf(victim);
  try {
    await send("DELETE", isDots(name) ? `/v1/ports/${port}` : pathOf(name));
    dialog.close();
    await look(name);
    put("news", `Port ${port} is no longer registered for ${name}`);
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
    // Browsers have a clipboard for localhost alone.
    put("news", `The browser does not let this page copy ${text}`);
  }
}
