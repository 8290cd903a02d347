// The messages of a page: what the server shows is taken over where this page has something else.
import { hasEnded, saysMore } from "./text.js";
import { translate } from "./times.js";
import { isTyped } from "./typed.js";

/** What tells one control of a form from the others. */
const role = (control) =>
  control.id || control.getAttribute("formaction") || control.name || control.href || control.textContent;

/** Puts `part` where `old` was. What is open there stays open, and the focus stays where it was. */
export function replace(old, part) {
  for (const { id } of old.querySelectorAll("details[open][id]")) {
    part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(part);
  const twins = focused ? [...part.querySelectorAll(focused.localName)] : [];
  twins.find((twin) => !twin.disabled && role(twin) === role(focused))?.focus();
  return part;
}

const isOther = (old, part) =>
  part.dataset.part === "text" ? saysMore(old, part) : old.dataset.version !== part.dataset.version && !isTyped(old);

/** How far a message has come: attempts only grow, each runs, stops and waits for the next, and an end is final. */
const WITHIN = { processing: 0, waiting: 1, requires_action: 1, pending: 2 };
const progress = (message) =>
  hasEnded(message) ? Infinity : Number(message.dataset.attempt) + WITHIN[message.dataset.status] / 4;

/** Whether `fresh` was made before what is shown: an answer may come later than the frames after it. */
const isOld = (shown, fresh) => progress(fresh) < progress(shown);

/** The page must be made anew from the server's; whoever holds the stream listens. */
export const heal = () => document.dispatchEvent(new Event("holdfast:gap"));

/** What was sent is typed no more; what frames had for its place comes again. */
function release(message) {
  for (const form of message.querySelectorAll("form")) form.reset();
  heal();
}

/** Gives a message those parts of `fresh` that are another version, or `all`; returns what is new. */
export function update(shown, fresh, all = false) {
  const old = isOld(shown, fresh);
  const added = [];
  for (const part of fresh.querySelectorAll(`:scope > [data-part${old ? "=refusal" : ""}]`)) {
    const place = shown.querySelector(`:scope > [data-part="${part.dataset.part}"]`);
    if (all ? part.dataset.part !== "text" || saysMore(place, part) : !old && isOther(place, part)) {
      added.push(replace(place, part));
    }
  }
  if (!old) Object.assign(shown.dataset, { status: fresh.dataset.status, attempt: fresh.dataset.attempt });
  else if (all) release(shown);
  return added;
}

// Messages in which somebody had begun to type when another branch took their place: what they typed comes back with them.
const left = new Map();

function find(list, id) {
  const begun = left.get(id);
  return list.querySelector(`:scope > #${id}`) ?? (begun && isTyped(begun) ? begun : null);
}

function remove(item) {
  if (isTyped(item)) left.set(item.id, item);
  item.remove();
}

/** Where the focus goes on when `arrow` has led to another version of its message. */
function follow(arrow) {
  const version = document.getElementById(`message-${arrow.value}`);
  const arrows = [...(version?.querySelectorAll(".siblings button:not(:disabled)") ?? [])];
  (arrows.find((each) => each.textContent === arrow.textContent) ?? arrows[0])?.focus();
}

/** What stands in `list` before all that `fresh` has: the server shows only the newest. */
function older(list, fresh) {
  const shown = [...list.children];
  return shown.slice(0, Math.max(0, shown.findIndex((item) => item.id === fresh.firstElementChild?.id)));
}

/**
 * Gives `list` the messages of `fresh`, in its order; returns the elements that are new. What is here stays, with what
 * is being written into it or typed there; of the message whose form was `sent`, all parts are new.
 */
export function take(list, fresh, sent = null) {
  translate(fresh);
  const arrow = list.querySelector(".siblings button:focus");
  const answered = sent?.closest(".message");
  const added = [];
  const newest = [...fresh.children].map((item) => {
    const shown = find(list, item.id);
    if (shown?.className === item.className) {
      added.push(...update(shown, item, item.id === answered?.id));
      return shown;
    }
    added.push(item); // or it was unread, and is not any more
    return item;
  });
  const wanted = [...older(list, fresh), ...newest];
  if (answered && !wanted.includes(answered)) sent.reset();
  for (const item of [...list.children]) if (!wanted.includes(item)) remove(item);
  let place = list.firstElementChild;
  for (const item of wanted) {
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  if (arrow && !arrow.isConnected) follow(arrow);
  return added;
}
