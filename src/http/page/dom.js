// What the other files share. Text enters the page as text only: nothing here writes markup.

const minutes = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "short" });

/** Shows pald that a request is from its page; nobody else has this key. */
export const KEY = { "Pald-Page": document.querySelector("[name=key]").content };
export const byId = (id) => document.getElementById(id);
export const number = (value) => value.toLocaleString("en");
/** Formats a date and time to the minute: `2026-11-22 14:03`. */
export const moment = (time) => minutes.format(new Date(time));
/** The same, without today's date. */
export const recent = (time) => moment(time).replace(moment(Date.now()).slice(0, 11), "");

/** Formats a number of seconds in its two largest units. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const [min, h, d] = [60, 3600, 86400].map((unit) => Math.floor(s / unit));
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h} h ${min % 60} min`;
  return min > 0 ? `${min} min` : `${s} s`;
}

/** Sets the text of an element or an id if it changed: a live region would say it again. */
export function put(where, text) {
  const element = typeof where === "string" ? byId(where) : where;
  if (element.textContent !== String(text)) element.textContent = text;
}

/** Shows a text, or hides its element if it is empty. */
export function show(id, text) {
  byId(id).hidden = text === "";
  put(id, text);
}
