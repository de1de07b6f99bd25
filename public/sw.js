// The service worker: keeps the files of the console itself, and says so when the server cannot be reached.
//
// Pages and data always come from the network and are never kept; nothing that somebody does is ever sent later. When
// the site is built, the line below gets this build's version and the names of its hashed files.
const SITE = { version: "none", files: [] };

const KEPT_FOR = "operations-center-";
const CACHE = KEPT_FOR + SITE.version;
const OFFLINE = "/offline";
/** What the offline page needs besides hashed files. */
const NAMED = ["/offline.js", "/favicon.svg"];
/** Longer than this, a page counts as not to be had. */
const ANSWER_WITHIN_MS = 5000;

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SITE.files);
  // Without credentials: what is kept is nobody's page.
  const nobodys = [OFFLINE, ...NAMED].map((url) => new Request(url, { credentials: "omit", cache: "reload" }));
  await cache.addAll(nobodys);
}

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(KEPT_FOR) && name !== CACHE).map((name) => caches.delete(name)));
  await clients.claim();
}

addEventListener("message", (event) => {
  const { kind, script } = event.data ?? {};
  if (kind === "activate") skipWaiting();
  // A page of this very build needs no prompt; one of another build is told that there is a newer one.
  if (kind === "page" && SITE.files.includes(script)) skipWaiting();
  else if (kind === "page") event.source?.postMessage({ kind: "newer" });
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  const isFile = /\.\w+$/.test(url.pathname);
  if (url.pathname.startsWith("/assets/")) event.respondWith(fromCache(request));
  else if (NAMED.includes(url.pathname)) event.respondWith(fetch(request).catch(() => fromCache(request)));
  else if (request.mode === "navigate" && !isFile) event.respondWith(page(request));
});

async function fromCache(request) {
  return (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
}

async function page(request) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([fetch(request), late]);
  } catch {
    return (await caches.match(OFFLINE, { ignoreVary: true })) ?? Response.error();
  } finally {
    clearTimeout(timer);
  }
}
