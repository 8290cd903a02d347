// Keys for what is done often; `?` shows them.

const keys = document.getElementById("keys");
const shown = document.getElementById("keys-shown");

const click = (selector) => document.querySelector(selector)?.click();
const pane = (name) => document.dispatchEvent(new CustomEvent("holdfast:pane", { detail: name }));
const focus = (selector) => document.querySelector(selector)?.focus();
/** The last one on the page: of several that run, the newest reply. */
const last = (selector) => [...document.querySelectorAll(selector)].at(-1);

const DO = {
  "?": () => keys?.showModal(),
  n: () => click('[data-key="new"]'),
  c: () => (pane("chat"), focus("#content")),
  "/": () => (pane("chats"), focus("#search")),
  s: () => last(".stop")?.click(),
  t: () => click("#tile"),
  1: () => pane("chat"),
  2: () => pane("chats"),
  3: () => pane("user"),
};

const isWriting = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || keys?.open || !DO[event.key]) return;
  event.preventDefault();
  DO[event.key]();
});
if (shown && keys) {
  shown.hidden = false;
  shown.addEventListener("click", DO["?"]);
}
