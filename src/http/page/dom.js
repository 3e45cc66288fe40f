// What the other files share. A text comes into the page as text alone: nothing here knows markup.

const minutes = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "short" });

export const byId = (id) => document.getElementById(id);
export const number = (value) => value.toLocaleString("en");
/** A date and a time to the minute, as in `2026-11-22 14:03`. */
export const moment = (time) => minutes.format(new Date(time));
/** The same without the date, if that is today's. */
export const recent = (time) => moment(time).replace(moment(Date.now()).slice(0, 11), "");

/** A number of seconds in its two largest units. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const [min, h, d] = [60, 3600, 86400].map((unit) => Math.floor(s / unit));
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h} h ${min % 60} min`;
  return min > 0 ? `${min} min` : `${s} s`;
}

/** Sets the text of an element or an id, unless it stands there: a live region would say it again. */
export function put(where, text) {
  const element = typeof where === "string" ? byId(where) : where;
  if (element.textContent !== String(text)) element.textContent = text;
}

/** Shows a text where nothing is to be seen without one. */
export function show(id, text) {
  byId(id).hidden = text === "";
  put(id, text);
}
