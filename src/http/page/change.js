// What the user does here: registers, releases, prunes and copies. Every change goes through `/v1`.

import { KEY, byId, number, put } from "./dom.js";
import { addressOf, focusRow, folderOf, positionOf, serviceAt } from "./table.js";

export const [name, port] = [byId("name"), byId("port")];
const dialog = document.querySelector("dialog");
export const NO_NAME = "Type a name: 1 to 255 letters, digits and . _ -";
export const NO_PORT = "A port is a number from 1 to 65535";
/** What a yes in the dialog does. */
let agreed;
/** The services whose folder is gone. */
let gone = [];
/** The headers of a registration. */
let conditions = {};

/** Connects forms and buttons; `look` updates the page after a change to a service. */
export function watchForms(look) {
  byId("register").addEventListener("submit", (event) => {
    event.preventDefault();
    register(look);
  });
  byId("release").addEventListener("click", () => agree(look));
  byId("prune").addEventListener("click", ({ target }) => target.tagName === "BUTTON" && askForGone());
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.className === "release") askFor(serviceAt(button));
    else if (button?.className === "copy") copy(addressOf(serviceAt(button)));
    else if (button?.dataset.copies) copy(byId(button.dataset.copies).textContent);
  });
  // The row that had the focus may be gone.
  dialog.addEventListener("close", () => document.activeElement === document.body && byId("filter").focus());
}

/** Sends a request; throws the problem that pald answers. */
export async function send(method, path, request, headers = {}) {
  const init = { method, headers: { ...KEY, ...headers }, signal: AbortSignal.timeout(20_000) };
  if (request) Object.assign(init, { body: JSON.stringify(request) }).headers["Content-Type"] = "application/json";
  const reply = await fetch(path, init).catch(() => {
    throw { detail: "pald does not answer" };
  });
  if (reply.ok) return reply.status === 204 ? null : reply.json();
  throw await reply.json().catch(() => ({ detail: `pald answered with status ${reply.status}` }));
}

const isDots = (name) => name === "." || name === "..";
export const pathOf = (name) => `/v1/services/${encodeURIComponent(name)}`;
export const isPort = (text) => /^[1-9][0-9]*$/.test(text);
export const inWords = ({ detail, hint }) => (hint ? `${detail}\n${hint}` : detail);

/** Has the next registration refused if the service is registered already. */
export function mustBeNew(isNew) {
  conditions = isNew ? { "If-None-Match": "*" } : {};
}

async function register(look) {
  refuse(null, "");
  const [service, wanted] = [name.value, port.value.trim()];
  // Browsers remove these two from every path.
  if (isDots(service)) return refuse(name, `A browser can’t send this name; run “pald set ${service}” in a shell`);
  if (service === "") return refuse(name, NO_NAME);
  if (wanted !== "" && !isPort(wanted)) return refuse(port, NO_PORT);
  try {
    const made = await send("PUT", pathOf(service), wanted && { port: Number(wanted) }, conditions);
    await look(made.name);
    put("news", `Registered ${made.name} on port ${made.port}`);
    name.value = port.value = "";
    mustBeNew(false);
    name.focus();
  } catch (problem) {
    refuse(/:(port|pool)-/.test(problem.type) ? port : name, inWords(problem));
  }
}

/** Shows what is wrong with a form, and where. */
export function mark(field, text) {
  put("mistake", text);
  for (const input of [name, port, byId("leaving")]) input.ariaInvalid = input === field && text !== "" ? "true" : null;
}

/** The same, and goes there. */
export function refuse(field, text) {
  mark(field, text);
  field?.focus();
}

/** Asks before something is released. */
function ask(what, consequence, act) {
  agreed = act;
  put("target", what);
  put("consequence", consequence);
  put("refusal", "");
  dialog.showModal();
}

async function agree(look) {
  try {
    await agreed(look);
  } catch (problem) {
    put("refusal", inWords(problem));
  }
}

function askFor(service) {
  const { name, port, holder } = service;
  const user = holder?.process ? ` ${holder.process} (pid ${holder.pid}) keeps using it.` : "";
  const position = positionOf(service);
  ask(name, `Another service gets port ${port} only where no other is left, and ${name} gets it back.${user}`, async (look) => {
    await send("DELETE", isDots(name) ? `/v1/ports/${port}` : pathOf(name));
    dialog.close();
    await look(name);
    put("news", `Released ${name} and its port ${port}`);
    focusRow(position);
  });
}

/** Offers to release the services whose folder is gone; `null` if this user may not. */
export function showGoneFolders(answer) {
  gone = (answer?.services ?? []).filter(({ kept }) => kept === null);
  byId("prune").hidden = gone.length === 0;
  put("pruned", gone.length === 1 ? `The folder of ${gone[0].name} is gone.` : `The folders of ${number(gone.length)} services are gone.`);
}

function askForGone() {
  const names = gone.map(({ name }) => name);
  const lines = gone.map((service) => `${service.port} ${service.name}, ${folderOf(service)}`);
  ask(names.length === 1 ? names[0] : `${number(names.length)} services`, lines.join("\n"), async (look) => {
    const { released } = await send("POST", "/v1/prune", { services: names });
    dialog.close();
    await look(...released);
    put("news", `Released ${number(released.length)} services`);
  });
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
