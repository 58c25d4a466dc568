// Keeps the regions marked `data-live` up to date: asks for the page again with the tag of what is shown, which is a
// 304 as long as nothing has changed. Rests while nobody looks, and less often the longer nothing happens.
const QUIET = 15; // seconds between questions on a page on which nothing happens
const LOST = 30;
const note = document.getElementById("connection");
let tag = null;
let pause = 2;
let timer = 0;
let isAsking = false;

function say(text) {
  note.hidden = !text;
  if (note.textContent !== text) note.textContent = text;
}

// Makes one element what another is, and leaves alone what is the same: focus, selection and open details stay.
function morph(from, to) {
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== "open" && name !== "title") from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value && name !== "open") from.setAttribute(name, value);
  if (from.matches("time[data-relative], dialog[open], noscript")) return;
  const known = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
  let here = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const own = known.get(wanted.id);
    if (own && own !== here) from.insertBefore(own, here);
    const found = own ?? here;
    if (found && !own && found.id && known.has(found.id) && wanted.id !== found.id) {
      from.insertBefore(document.importNode(wanted, true), found); // `found` is for a later one
    } else if (found && found.nodeName === wanted.nodeName && found.nodeType === Node.ELEMENT_NODE) {
      if (found === here || own) here = found.nextSibling;
      morph(found, wanted);
    } else if (found && found.nodeType === Node.TEXT_NODE && wanted.nodeType === Node.TEXT_NODE) {
      here = found.nextSibling;
      if (found.data !== wanted.data) found.data = wanted.data;
    } else {
      from.insertBefore(document.importNode(wanted, true), here);
    }
  }
  while (here) { const next = here.nextSibling; here.remove(); here = next; }
}

function update(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const wanted = page.getElementById(region.id);
    if (wanted) morph(region, wanted);
  }
  document.dispatchEvent(new Event("live"));
}

async function ask() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    const headers = { Accept: "text/html", "X-Live": "1", ...(tag && { "If-None-Match": tag }) };
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(20000) });
    if (answer.status === 401) return say("Your session has ended. Load this page again to log in.");
    if (answer.status === 404) return say("This is not there any more.");
    if (!answer.ok && answer.status !== 304) throw new Error(answer.status);
    const least = Number(answer.headers.get("X-Live-Next")) || 2;
    if (answer.status === 304) {
      pause = Math.max(least, Math.min(QUIET, pause * 1.3));
    } else {
      pause = least;
      const isFirst = tag === null;
      tag = answer.headers.get("ETag");
      update(await answer.text());
      if (!isFirst) document.documentElement.dataset.updates = Number(document.documentElement.dataset.updates ?? 0) + 1;
    }
    say("");
  } catch {
    say("The connection is lost. What you see may be old; trying again …");
    pause = Math.min(LOST, Math.max(2, pause * 1.5));
  } finally {
    isAsking = false;
  }
  clearTimeout(timer);
  timer = setTimeout(ask, pause * 1000 * (0.9 + Math.random() / 5));
}

if (document.querySelector("[data-live]")) {
  timer = setTimeout(ask, pause * 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  addEventListener("online", ask);
}
