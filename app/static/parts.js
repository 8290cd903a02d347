// The swap style "parts": an answer or a frame of the stream holds parts of the page, each of which knows its place.
import { heal, replace, take, update } from "./list.js";
import { grow } from "./text.js";
import { translate } from "./times.js";
import { isTyped } from "./typed.js";

const list = document.getElementById("messages");

let source = null; // whose answer is being taken over

/** Older messages, before those that are here, and where those before them are. */
function prepend(fresh) {
  const items = [...fresh.children];
  document.getElementById("before")?.remove();
  list.prepend(...items);
  return items;
}

/** Only beside older messages that came with it: those who have scrolled up have their own place. */
function showBefore(fresh) {
  if (!fresh.parentNode.querySelector("#older")) return [];
  list.before(fresh);
  return [fresh];
}

function showHead(fresh) {
  const head = document.getElementById("thread-head");
  if (head.dataset.version === fresh.dataset.version || isTyped(head)) return [];
  document.title = `${fresh.querySelector("h1").textContent} · Holdfast`;
  return [replace(head, fresh)];
}

function showMessage(fresh) {
  const shown = document.getElementById(fresh.id);
  return shown ? update(shown, fresh) : (heal(), []);
}

function showComposer(fresh) {
  const form = replace(document.getElementById("composer"), fresh);
  form.querySelector("[aria-invalid]")?.focus();
  return [form];
}

/** Who has signed in anew since this page was made posts with another token. */
function renew(token) {
  if (token) for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = token;
}

/** Says beside a form why it was not taken. */
export function complain(form, text, element = document.createElement("p")) {
  form.querySelector(":scope > [role=alert]")?.remove();
  renew(element.dataset.token);
  if (text) Object.assign(element, { className: "error", textContent: text });
  element.setAttribute("role", "alert");
  form.append(element);
  return [element];
}

const KINDS = {
  "#messages": (fresh) => take(list, fresh, source),
  "#older": prepend,
  "#before": showBefore,
  "#thread-head": showHead,
  "#composer": showComposer,
  "#chats-list": (fresh) => [replace(document.getElementById("chats-list"), fresh)],
  ".message": showMessage,
  "[data-grown]": (fresh) => (grow(fresh) || heal(), []),
  "[data-problem]": (fresh) => (source?.matches("form") ? complain(source, "", fresh) : []),
};

/** Takes over each part of `fragment`; returns what is new on the page. */
function apply(fragment) {
  const added = [...fragment.children].flatMap((part) => {
    translate(part);
    const kind = Object.keys(KINDS).find((selector) => part.matches(selector));
    return kind ? KINDS[kind](part) : [];
  });
  document.dispatchEvent(new CustomEvent("holdfast:changed", { detail: { added, source } }));
  return added;
}

htmx.registerExtension("parts", {
  htmx_before_swap: (_element, { ctx }) => {
    source = ctx.sourceElement.id === "stream" ? null : ctx.sourceElement;
  },
  handle_swap: (style, _target, fragment) => style === "parts" && apply(fragment),
});
