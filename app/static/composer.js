// The form that posts a message: it says at once what was sent, and loses nothing that was written.
import { complain } from "./parts.js";

const UNANSWERED = "The server does not answer. What you wrote is still here; try again.";
const FAILED = "The server failed to answer. What you wrote is still here; try again.";
const hasKeyboard = matchMedia("(pointer: fine)");
const list = document.getElementById("messages");
const composer = () => document.getElementById("composer");
// Of all pages whose composer posts to the same place.
const draft = `draft:${new URL(composer().action).pathname}`;
const words = () => composer().elements.content;

/** A bubble with what is on its way; the server's list, which does not have it, takes its place. */
function say(text) {
  const bubble = document.createElement("li");
  bubble.className = "message user sending";
  const shown = document.createElement("div");
  Object.assign(shown, { className: "text plain", dir: "auto", textContent: text });
  bubble.append(shown);
  list?.append(bubble);
}

const unsay = () => list?.querySelector(":scope > .sending")?.remove();

/** The same number would make the next message a repetition of this one. */
const renew = (form) => (form.elements.once.value = crypto.randomUUID?.() ?? String(Math.random()).slice(2));

/** It was taken: what was added to the text meanwhile stays. */
function empty(form, sent) {
  const { content, goal, busy } = form.elements;
  content.value = content.value.startsWith(sent) ? content.value.slice(sent.length).trimStart() : content.value;
  goal.checked = false;
  for (const limit of form.querySelectorAll("#budget input")) limit.value = "";
  if (busy) busy.selectedIndex = 0;
  renew(form);
  keep();
  content.focus();
}

function keep() {
  if (words().value) sessionStorage.setItem(draft, words().value);
  else sessionStorage.removeItem(draft);
}

const isOurs = (event) => event.target.id === "composer";

document.addEventListener("htmx:before:request", (event) => {
  if (!isOurs(event)) return;
  event.target.querySelector(".send button").disabled = true;
  event.target.querySelector(":scope > [role=alert]")?.remove();
  event.detail.ctx.said = words().value;
  say(words().value);
});
document.addEventListener("htmx:after:request", (event) => {
  const { said, response } = event.detail.ctx;
  if (isOurs(event) && response.status < 400) {
    empty(event.target, said);
    document.dispatchEvent(new Event("holdfast:sent"));
  }
});
document.addEventListener("htmx:finally:request", (event) => {
  if (!isOurs(event)) return;
  unsay();
  composer().querySelector(".send button").disabled = false;
});
// What a proxy answers for the server is no part of a page.
document.addEventListener("htmx:finally:request", ({ target, detail }) => {
  const isRefused = detail.ctx.response?.status >= 400;
  if (isRefused && target.matches?.("form") && target.isConnected && !target.querySelector("[role=alert]")) complain(target, FAILED);
});
document.addEventListener("holdfast:changed", ({ detail }) => detail.source?.id === "composer" && unsay());
document.addEventListener("htmx:error", ({ target }) => {
  if (target.matches?.("form")) complain(target, UNANSWERED);
});
// A field that is refused must be seen.
document.addEventListener("invalid", ({ target }) => target.closest("details:not([open])")?.toggleAttribute("open"), true);
document.addEventListener("input", ({ target }) => target === words() && keep());
document.addEventListener("keydown", (event) => {
  const isSent = event.key === "Enter" && !event.shiftKey && !event.isComposing && hasKeyboard.matches;
  if (event.target !== words() || !isSent) return;
  event.preventDefault();
  composer().requestSubmit();
});

words().value ||= sessionStorage.getItem(draft) ?? "";
