// Keys for what is done often; `?` shows them.

const keys = document.getElementById("keys");
const shown = document.getElementById("keys-shown");

const click = (selector) => document.querySelector(selector)?.click();
const focus = (selector) => document.querySelector(selector)?.focus();
/** The last one on the page: of several that run, the newest reply. */
const last = (selector) => [...document.querySelectorAll(selector)].at(-1);

const DO = {
  "?": () => keys?.showModal(),
  n: () => click('[data-key="new"]'),
  c: () => focus("#content"),
  "/": () => focus("#search"),
  s: () => last(".stop")?.click(),
  t: () => click("#tile"),
  1: () => document.dispatchEvent(new CustomEvent("holdfast:pane", { detail: "chat" })),
  2: () => document.dispatchEvent(new CustomEvent("holdfast:pane", { detail: "chats" })),
  3: () => document.dispatchEvent(new CustomEvent("holdfast:pane", { detail: "user" })),
};

const isWriting = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || keys?.open || !DO[event.key]) return;
  event.preventDefault();
  DO[event.key]();
});
if (shown) {
  shown.hidden = false;
  shown.addEventListener("click", DO["?"]);
}
