// What an address such as `/set?service=shop` asks for: pald leads it here, and the form for it is
// filled in. Only a press of its button changes anything, and no button gets the focus by itself: a
// key may be held down.

import { NO_NAME, NO_PORT, inWords, isPort, mark, mustBeNew, name, pathOf, port, refuse, send } from "./change.js";
import { byId, put } from "./dom.js";

const [form, leaving] = [byId("leave"), byId("leaving")];

/** Fills in the form that the address asks for, and says what is wrong with it. */
export async function fillIn(look) {
  const wanted = new URLSearchParams(location.search);
  const [kind, value] = [wanted.get("form"), (key) => wanted.get(key) ?? ""];
  if (kind === null) return;
  // To load the page again asks for nothing.
  history.replaceState(null, "", "/");
  const twice = ["service", "port", "new"].find((key) => wanted.getAll(key).length > 1);
  if (kind === "release") {
    leaving.value = value("port");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      release(look);
    });
  } else {
    [name.value, port.value] = [value("service"), value("port")];
    mustBeNew(value("new") === "true");
  }
  if (kind === "again") return;
  if (twice) return mark(null, `Parameter \`${twice}\` occurs more than once`);
  if (kind === "release") return mark(leaving, await wrongPort(leaving.value, byId("leaves")));
  if (!/^(true|false|)$/.test(value("new"))) return mark(null, `Parameter \`new\` is ${JSON.stringify(value("new"))}; use true or false`);
  const wrong = await wrongName(name.value);
  mark(name, wrong);
  if (wrong === "" && wanted.has("port")) mark(port, await wrongPort(port.value));
}

/** Says what is wrong with a name, if something is; pald knows it in words. */
async function wrongName(text) {
  if (text === "") return NO_NAME;
  if (/^[A-Za-z0-9._-]{1,255}$/.test(text)) return "";
  const problem = await send("GET", `${pathOf(text)}?state=false`).then(() => null, (problem) => problem);
  return problem?.status === 400 ? inWords(problem) : "";
}

/** Says what is wrong with a port, and shows whose it is where that is `shown`. */
async function wrongPort(text, shown) {
  if (!isPort(text)) return NO_PORT;
  try {
    const { service } = await send("GET", `/v1/ports/${text}`);
    if (shown) put(shown, service ?? "");
    return shown && service === null ? `Port ${text} is not registered` : "";
  } catch (problem) {
    return inWords(problem);
  }
}

async function release(look) {
  const text = leaving.value.trim();
  if (!isPort(text)) return refuse(leaving, NO_PORT);
  try {
    const { service } = await send("GET", `/v1/ports/${text}`);
    await send("DELETE", `/v1/ports/${text}`);
    mark(null, "");
    await look(service);
    put("news", `Released ${service} and its port ${text}`);
    form.hidden = true;
    byId("filter").focus();
  } catch (problem) {
    refuse(leaving, inWords(problem));
  }
}
