// Follows pald while the page is visible, and says so when pald does not answer.

import { fillIn } from "./address.js";
import { showGoneFolders, watchForms } from "./change.js";
import { KEY, byId, duration, put, show } from "./dom.js";
import { drawRange } from "./range.js";
import { showServices } from "./table.js";

/** The pause between looks, in ms: states are up to 1 s old, and must show within 2 s. */
const PAUSE = 900;
/** How long to wait for an answer, in ms. */
const TIMEOUT = 5000;
/** The pause between looks at folders, in ms. */
const FOLDERS_PAUSE = 30_000;

/** The ETag of the list that is shown, and its services by name. */
let tag = "";
let known;
/** The services that this page changed itself. */
const own = new Set();
let goneSince = "";
let timer;
let looking = Promise.resolve();

/** When folders are looked at again. */
let foldersAt = 0;

/** Asks pald, after any look under way; `names` are the services that this page changed. */
function look(...names) {
  names.forEach((name) => own.add(name));
  if (names.length > 0) foldersAt = 0;
  looking = looking.then(lookOnce);
  return looking;
}

async function lookOnce() {
  clearTimeout(timer);
  const start = performance.now();
  try {
    if (await isOld()) return loadAgain();
    const headers = { "If-None-Match": tag };
    const [list, health] = await Promise.all([ask("/v1/services?fresh=false", headers), ask("/v1/health")]);
    // A 503 has the health too: the store failed.
    if (health.ok || health.status === 503) showHealth(await health.json());
    if (list.ok) {
      showList(await list.json());
      tag = list.headers.get("ETag");
    }
    if (known && performance.now() >= foldersAt) {
      foldersAt = performance.now() + FOLDERS_PAUSE;
      const hasFolders = [...known.values()].some(({ folder }) => folder);
      const gone = hasFolders ? await ask("/v1/prune") : { ok: false };
      showGoneFolders(gone.ok ? await gone.json() : null);
    }
    showGone(list.ok || list.status === 304 ? "" : `pald answered with status ${list.status}.`);
  } catch {
    goneSince ||= new Date().toLocaleTimeString("sv");
    showGone(`pald has not answered since ${goneSince}. Start it as you did (“pald start” if it is a service, else “pald”); the page then continues by itself.`);
  }
  // A long list keeps pald and the browser busy for at most half of the time.
  if (!document.hidden) timer = setTimeout(() => look(), Math.max(PAUSE, performance.now() - start));
}

const ask = (path, headers) => fetch(path, { headers: { ...KEY, ...headers }, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });

/** Whether pald was started again since it showed this page, whose key is no longer good. */
async function isOld() {
  // Only a daemon that was gone can be another one.
  if (goneSince === "") return false;
  const reply = await fetch("/", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  const run = reply.headers.get("Pald-Run");
  return run !== null && !KEY["Pald-Page"].startsWith(run);
}

/** Loads the page again; what was typed stays. */
function loadAgain() {
  const typed = new URLSearchParams({ form: "again", service: byId("name").value });
  if (byId("port").value !== "") typed.set("port", byId("port").value);
  location.replace(typed.get("service") || typed.has("port") ? `/?${typed}` : "/");
}

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
  if (before) showOthers(before);
  own.clear();
  drawRange(list);
  showServices(list.services);
}

/** Shows the changes that were not made by this page. */
function showOthers(before) {
  const missing = (from, where) => [...from.values()].filter(({ name }) => !where.has(name) && !own.has(name));
  const tell = (list, what) => (list.length > 3 ? `${list.length} services ${what}` : list.map(({ name }) => `${name} ${what}`));
  const news = [tell(missing(known, before), "registered"), tell(missing(before, known), "released")].flat();
  if (news.length > 0) put("news", `Elsewhere: ${news.join(", ")}`);
}

function showHealth({ version, uptime_s, store, dump, overlap }) {
  const age = duration((Date.now() - Date.parse(dump.written_at)) / 1000);
  const written = dump.written_at ? `written ${age} ago` : "not written yet";
  put("version", version);
  put("uptime", duration(uptime_s));
  put("store", store.error ? "refuses changes" : "accepts changes");
  put("dump", dump.error ? "can’t be written" : written);
  const failures = [
    store.error && `Changes are refused, lookups go on: ${store.error}`,
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
fillIn(look);
look();
