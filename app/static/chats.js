// Keeps the list of chats current: their titles, their states, and which was used last.

const EVERY_MS = 10_000;
const SOON_MS = 500;

let soon;

const list = () => document.getElementById("chats-list");

function mark() {
  for (const link of list().querySelectorAll("a")) {
    link.closest("li")?.toggleAttribute("aria-current", link.pathname === location.pathname);
  }
}

const refresh = () =>
  document.hidden || htmx.ajax("GET", list().dataset.address, { source: list(), target: "#chats-list", swap: "parts" });

setInterval(refresh, EVERY_MS);
document.addEventListener("holdfast:changed", ({ detail: { added, source } }) => {
  mark();
  if (!added.length || source?.id === "chats-list") return;
  clearTimeout(soon);
  soon = setTimeout(refresh, SOON_MS);
});
