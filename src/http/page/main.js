// Follows pald while the page is visible, and tells when it has gone.

import { watchForms } from "./change.js";
import { byId, duration, put, show } from "./dom.js";
import { drawRange } from "./range.js";
import { showServices } from "./table.js";

/** From one look to the next, in ms: states are up to 1 s old, and are to show within 2 s. */
const PAUSE = 900;
/** How long an answer is waited for, in ms. */
const PATIENCE = 5000;

/** The tag of the list that is shown, and its services by name. */
let tag = "";
let known;
/** Names of services that this page has changed itself. */
const own = new Set();
let goneSince = "";
let timer;
let looking = Promise.resolve();

/** Looks at pald, after any look under way; this page may have changed the service `name`. */
function look(name) {
  if (name) own.add(name);
  looking = looking.then(lookOnce);
  return looking;
}

async function lookOnce() {
  clearTimeout(timer);
  const start = performance.now();
  try {
    const headers = { "If-None-Match": tag };
    const [list, health] = await Promise.all([ask("/v1/services", headers), ask("/v1/health")]);
    // A 503 is health too: the store has failed.
    if (health.ok || health.status === 503) showHealth(await health.json());
    if (list.ok) {
      showList(await list.json());
      tag = list.headers.get("ETag");
    }
    showGone(list.ok || list.status === 304 ? "" : `pald answers with status ${list.status}.`);
  } catch {
    goneSince ||= new Date().toLocaleTimeString("sv");
    showGone(`pald has not answered since ${goneSince}. Start it with “pald start”; this page then goes on by itself.`);
  }
  // A long list keeps pald and the browser busy for half of the time at most.
  if (!document.hidden) timer = setTimeout(look, Math.max(PAUSE, performance.now() - start));
}

const ask = (path, headers) => fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });

function showGone(text) {
  if (text === "") goneSince = "";
  if (text === "" && !byId("gone").hidden) put("news", "pald answers again");
  show("gone", text);
  document.body.classList.toggle("gone", text !== "");
  document.title = text === "" ? "pald" : "pald is gone";
}

function showList(list) {
  const before = known;
  known = new Map(list.services.map((service) => [service.name, service]));
  if (before) tellOthers(before);
  own.clear();
  drawRange(list);
  showServices(list.services);
}

/** Tells what others than this page have changed. */
function tellOthers(before) {
  const missing = (from, where) => [...from.values()].filter(({ name }) => !where.has(name) && !own.has(name));
  const tell = (list, what) => (list.length > 3 ? `${list.length} services ${what}` : list.map(({ name }) => `${name} ${what}`));
  const news = [tell(missing(known, before), "registered"), tell(missing(before, known), "deleted")].flat();
  if (news.length > 0) put("news", `Elsewhere: ${news.join(", ")}`);
}

function showHealth({ version, uptime_s, store, dump, overlap }) {
  const age = duration((Date.now() - Date.parse(dump.written_at)) / 1000);
  const written = dump.written_at ? `written ${age} ago` : "not written yet";
  put("version", version);
  put("uptime", duration(uptime_s));
  put("store", store.error ? "takes no changes" : "takes changes");
  put("dump", dump.error ? "can’t be written" : written);
  const failures = [
    store.error && `Changes are not accepted, lookups go on: ${store.error}`,
    dump.error && `The dump can’t be written: ${dump.error}`,
  ];
  show("failed", failures.filter(Boolean).join("\n"));
  byId("overlap").hidden = overlap === null;
  put("ephemeral", overlap?.ephemeral ?? "");
  put("reserve", overlap?.reserve ?? "");
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
put("where", `on ${location.host}`);
put("curl", `curl -d service=shop ${location.host}/set`);
watchForms(look);
look();
