// What the offline page knows: the last headline this browser was shown, and whether the server answers again.

const ASK_EVERY_MS = 5000;
const MINUTE_MS = 60_000;

const byId = (id) => document.getElementById(id);

function lastKnown() {
  try {
    const known = JSON.parse(localStorage.getItem("last-headline") ?? "null");
    return typeof known?.text === "string" && Number.isFinite(known.at_ms) ? known : null;
  } catch {
    return null;
  }
}

function age(ms) {
  const minutes = Math.max(0, Math.floor(ms / MINUTE_MS));
  if (minutes < 1) return "less than a minute ago";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min ago` : `${Math.floor(hours / 24)} d ago`;
}

function tell() {
  const known = lastKnown();
  byId("offline-host").textContent = location.host;
  byId("offline-known").hidden = known === null;
  if (known === null) return;
  if (known.theme) document.documentElement.dataset.theme = known.theme;
  const at = new Date(known.at_ms).toISOString();
  byId("offline-age").textContent = `As of ${at.slice(0, 10)} ${at.slice(11, 16)} UTC (${age(Date.now() - known.at_ms)}), not live:`;
  byId("offline-headline").textContent = known.text;
}

async function ask() {
  try {
    const answer = await fetch("/healthz", { cache: "no-store" });
    if (!answer.ok) return;
  } catch {
    return;
  }
  // The page that was wanted stands in the address bar, unless somebody came here on purpose.
  if (location.pathname !== "/offline") location.reload();
  else byId("offline-state").textContent = "The server answers.";
}

byId("offline-retry").setAttribute("href", location.pathname === "/offline" ? "/" : location.pathname + location.search);
tell();
setInterval(tell, MINUTE_MS / 2);
addEventListener("online", ask);
setInterval(ask, ASK_EVERY_MS);
if (location.pathname === "/offline") ask();
