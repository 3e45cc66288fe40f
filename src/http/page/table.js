// The table of services: sorted, filtered, and limited to some rows. Rows are changed in place, so
// that focus and selection stay.

import { byId, moment, number, put, recent, show } from "./dom.js";

/** How many rows are shown at first, and how many more at a time. */
const STEP = 200;
const URGENCY = ["blocked", "unknown", "running", "idle"];
const { compare } = new Intl.Collator("en", { numeric: true });
// Holders without a process come after those with one; no holder comes last.
const holderOf = ({ holder }) => (holder ? (holder.process ?? `\u{fff0}${holder.user}`) : "\u{fffd}");
const ORDERS = new Map([
  ["port", (a, b) => a.port - b.port],
  ["name", (a, b) => compare(a.name, b.name)],
  ["state", (a, b) => URGENCY.indexOf(a.state) - URGENCY.indexOf(b.state)],
  ["holder", (a, b) => (holderOf(a) < holderOf(b) ? -1 : Number(holderOf(a) > holderOf(b)))],
  ["since", (a, b) => Date.parse(a.created_at) - Date.parse(b.created_at)],
]);

const [table, body, template] = ["table", "tbody", "template"].map((tag) => document.querySelector(tag));
const filter = byId("filter");
/** The rows by service name, and the JSON they were made from. */
const rows = new Map();
const serviceOf = new WeakMap();
let services = [];
let order = { key: "port", sign: 1 };
let limit = STEP;

/** Shows the services of `/v1/services`. */
export function showServices(list) {
  services = list.map((service) => ({ ...service, state: service.state ?? "unknown", text: textOf(service) }));
  sort();
}

/** Returns the service of the row that has an element. */
export const serviceAt = (element) => serviceOf.get(element.closest("tr"));
/** Returns the position of a service's row, from 0. */
export const positionOf = ({ name }) => [...body.children].indexOf(rows.get(name)?.row);
/** Moves the focus to the row at a position, or the last row; without rows, to the form. */
export function focusRow(position) {
  const row = body.children[Math.min(position, body.children.length - 1)];
  (row?.querySelector(".release") ?? byId("name")).focus();
}

/** Returns the text that a filter searches. */
function textOf({ name, port, state, reason, holder }) {
  const { process, pid, user } = holder ?? {};
  return [name, port, state, reason, process, pid, user].join(" ").toLowerCase();
}

function sort() {
  const compare = ORDERS.get(order.key);
  services.sort((a, b) => order.sign * compare(a, b) || a.port - b.port);
  render();
}

function render() {
  const words = filter.value.toLowerCase().split(/\s+/);
  const found = services.filter(({ text }) => words.every((word) => text.includes(word)));
  fill(found.slice(0, limit));

  const [all, rest] = [services.length, found.length - limit];
  const some = found.length < all ? `${number(found.length)} of ${number(all)}` : number(all);
  put("count", all === 0 ? "" : some + (rest > 0 ? `, the first ${number(limit)} shown` : ""));
  show("more", rest > 0 ? `Show ${Math.min(STEP, rest)} more` : "");
  table.hidden = found.length === 0;
  byId("empty").hidden = all > 0;
}

/** Shows these services as rows. */
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

/** Returns the up-to-date row of a service. */
function rowOf(service) {
  const known = rows.get(service.name) ?? { row: template.content.firstElementChild.cloneNode(true) };
  rows.set(service.name, known);
  const source = JSON.stringify(service);
  if (known.source !== source) write(known.row, service);
  known.source = source;
  return known.row;
}

function write(row, service) {
  const { name, port, state, reason, holder, created_at } = service;
  const url = `http://localhost:${port}/`;
  const at = (selector) => row.querySelector(selector);
  serviceOf.set(row, service);
  row.className = state;
  at("a").href = at("a").title = url;
  put(at("a"), port);
  put(at(".name"), name);
  put(at(".state span"), state);
  // That pald holds an idle port is the rule.
  const why = state === "idle" ? "" : reason;
  put(at(".state small"), why ?? (holder?.since ? `since ${recent(holder.since)}` : ""));
  put(at(".holder b"), holder?.process ?? "");
  put(at(".holder span"), holder?.pid ?? "");
  put(at(".holder small"), holder?.user ?? "");
  put(at("time"), moment(created_at));
  at("time").dateTime = created_at;
  at(".copy").title = `Copy ${url}`;
  at(".release").title = at(".release").ariaLabel = `Release ${name}`;
  at(".copy").ariaLabel = `Copy ${url} of ${name}`;
}

filter.addEventListener("input", () => {
  limit = STEP;
  render();
});
byId("more").addEventListener("click", () => {
  limit += STEP;
  render();
  body.children[limit - STEP].querySelector("a").focus();
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
