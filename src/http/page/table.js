// The table of services: sorted, filtered, below their checkouts, and limited to some rows. Rows are
// changed in place, so that focus and selection stay.

import { byId, moment, number, put, recent, show } from "./dom.js";

/** How many rows are shown at first, and how many more at a time. */
const STEP = 200;
const URGENCY = ["foreign", "running", "blocked", "unknown", "idle"];
/** Programs whose ports no browser can open. */
const NOT_HTTP = /^(postgres|postmaster|mysqld|mariadbd|redis-server|valkey-server|memcached|mongod|sshd|dnsmasq)$/;
const { compare } = new Intl.Collator("en", { numeric: true });
// Holders without a process come after those with one; no holder comes last.
const holderOf = ({ holder }) => (holder ? (holder.process ?? `\u{fff0}${holder.user}`) : "\u{fffd}");
const ORDERS = new Map([
  ["port", (a, b) => a.port - b.port],
  ["name", (a, b) => compare(a.name, b.name)],
  ["state", (a, b) => URGENCY.indexOf(a.kind) - URGENCY.indexOf(b.kind)],
  ["holder", (a, b) => (holderOf(a) < holderOf(b) ? -1 : Number(holderOf(a) > holderOf(b)))],
  ["since", (a, b) => Date.parse(a.created_at) - Date.parse(b.created_at)],
]);

const [table, body, template, heading] = ["table", "tbody", "template", "#checkout"].map((one) => document.querySelector(one));
const filter = byId("filter");
/** The rows by service name or, of checkouts, by folder, and the JSON they were made from. */
const rows = new Map();
const serviceOf = new WeakMap();
let services = [];
let order = { key: "state", sign: 1 };
let limit = STEP;

/** Shows the services of `/v1/services`. */
export function showServices(list) {
  services = list.map((service) => {
    const shown = { ...service, folder: folderOf(service), state: service.state ?? "unknown" };
    shown.kind = service.verdict === "foreign" ? "foreign" : shown.state;
    shown.text = textOf(shown);
    return shown;
  });
  sort();
}

/** Returns the folder of a service or a holder as people write it. */
export function folderOf({ folder }) {
  try {
    return decodeURIComponent(folder ?? "");
  } catch {
    return folder;
  }
}

/** Returns the address of a service's port, which is a link only if a browser may open it. */
export function addressOf({ port, state, holder }) {
  const isLink = state !== "blocked" && !NOT_HTTP.test(holder?.process);
  return isLink ? `http://localhost:${port}/` : `localhost:${port}`;
}

/** Returns the service of the row that has an element. */
export const serviceAt = (element) => serviceOf.get(element.closest("tr"));
const buttons = () => [...body.querySelectorAll(".release")];
/** Returns the position of a service's row among those of services, from 0. */
export const positionOf = ({ name }) => buttons().findIndex((button) => serviceAt(button).name === name);
/** Moves the focus to the row at a position, or the last row; without rows, to the form. */
export function focusRow(position) {
  const all = buttons();
  (all[Math.min(position, all.length - 1)] ?? byId("name")).focus();
}

/** Returns the text that a filter searches. */
function textOf({ name, port, kind, state, reason, folder, holder }) {
  const { process, pid, user } = holder ?? {};
  return [name, port, kind, state, reason, folder, process, pid, user].join(" ").toLowerCase();
}

function sort() {
  const compare = ORDERS.get(order.key);
  services.sort((a, b) => order.sign * compare(a, b) || a.port - b.port);
  render();
}

function render() {
  const words = filter.value.toLowerCase().split(/\s+/);
  const found = services.filter(({ text }) => words.every((word) => text.includes(word)));
  fill(underCheckouts(found.slice(0, limit)));

  const [all, rest] = [services.length, found.length - limit];
  const some = found.length < all ? `${number(found.length)} of ${number(all)}` : number(all);
  put("count", all === 0 ? "" : some + (rest > 0 ? `, the first ${number(limit)} shown` : ""));
  show("more", rest > 0 ? `Show ${Math.min(STEP, rest)} more` : "");
  table.hidden = found.length === 0;
  byId("empty").hidden = all > 0;
}

/** Puts the folder of each checkout before its services. */
function underCheckouts(shown) {
  const checkouts = Map.groupBy(shown, ({ folder }) => folder);
  if ([...checkouts.keys()].join("") === "") return shown;
  return [...checkouts].flatMap(([folder, services]) => [{ name: folder }, ...services]);
}

/** Shows these services and folders as rows. */
function fill(shown) {
  const focused = document.activeElement;
  const names = new Set(shown.map(({ name }) => name));
  for (const [name, { row }] of rows) {
    if (names.has(name)) continue;
    row.remove();
    rows.delete(name);
  }
  let next = body.firstElementChild;
  for (const service of shown) {
    const row = rowOf(service);
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
  // An element that is moved loses the focus.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

/** Returns the up-to-date row of a service or, by a folder alone, of a checkout. */
function rowOf(service) {
  const isCheckout = service.port === undefined;
  const known = rows.get(service.name) ?? { row: (isCheckout ? heading : template).content.firstElementChild.cloneNode(true) };
  rows.set(service.name, known);
  const source = JSON.stringify(service);
  if (known.source !== source) (isCheckout ? writeFolder : write)(known.row, service);
  known.source = source;
  return known.row;
}

function writeFolder(row, { name }) {
  const end = name.lastIndexOf("/") + 1;
  put(row.querySelector("span"), name === "" ? "without a folder" : name.slice(0, end));
  put(row.querySelector("b"), name.slice(end));
}

function write(row, service) {
  const { name, port, kind, holder, created_at } = service;
  const at = (selector) => row.querySelector(selector);
  const address = addressOf(service);
  serviceOf.set(row, service);
  row.className = kind === "idle" && service.held ? "idle held" : kind;
  if (address.endsWith("/")) at("a").href = address;
  else at("a").removeAttribute("href");
  put(at("a"), port);
  put(at(".name"), name);
  put(at(".state span"), service.held && kind === "idle" ? "held" : kind);
  put(at(".state small"), why(service));
  put(at(".holder b"), holder?.process ?? "");
  put(at(".holder span"), holder?.pid ?? "");
  put(at(".holder small"), holder?.user ?? "");
  put(at("time"), moment(created_at));
  at("time").dateTime = created_at;
  at(".copy").title = `Copy ${address}`;
  at(".release").title = at(".release").ariaLabel = `Release ${name}`;
  at(".copy").ariaLabel = `Copy ${address} of ${name}`;
}

/** Says more about a state. */
function why({ name, kind, held, reason, holder, holders = [] }) {
  if (kind === "idle") return held ? "nothing listens" : "";
  const other = holders.find(({ service }) => service && service !== name) ?? holder;
  if (kind === "foreign" && other) return `${other.service ? `of ${other.service} ` : ""}in ${folderOf(other)}`;
  return reason ?? (holder?.since ? `since ${recent(holder.since)}` : "");
}

filter.addEventListener("input", () => {
  limit = STEP;
  render();
});
byId("more").addEventListener("click", () => {
  limit += STEP;
  render();
  focusRow(limit - STEP);
});
table.tHead.addEventListener("click", ({ target }) => {
  const heading = target.closest("[data-key]");
  if (!heading) return;
  const { key } = heading.dataset;
  order = { key, sign: key === order.key ? -order.sign : 1 };
  for (const one of heading.parentElement.children) one.ariaSort = null;
  heading.ariaSort = order.sign > 0 ? "ascending" : "descending";
  limit = STEP;
  sort();
});
