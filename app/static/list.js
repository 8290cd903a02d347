// The list of messages as the server shows it: fetched, and taken over where this page has something else.
import { translate } from "./times.js";
import { isTyped } from "./typed.js";

/** The list in an answer's HTML, if it has one. Parsed, nothing in it runs. */
const listIn = (page) => page.getElementById("messages");

export async function ask(address, options = {}) {
  const response = await fetch(address, { ...options, headers: { "HX-Request": "true" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return { response, page, list: listIn(page) };
}

/** An element of this page, with those parts of `fresh` that are another version, or `all`. */
function updated(shown, fresh, all) {
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = shown.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!all && (old.dataset.version === part.dataset.version || isTyped(old))) continue;
    part.hidden = old.hidden;
    old.replaceWith(part);
  }
  return shown;
}

/** What stands in `list` before all that `fresh` has: the server shows only the newest. */
function older(list, fresh) {
  const shown = [...list.children];
  return shown.slice(0, Math.max(0, shown.findIndex((item) => item.id === fresh.firstElementChild?.id)));
}

/**
 * Gives `list` the messages of `fresh`, in its order. What is here stays, with what is being written into it or typed
 * there; of `answered`, the message whose form was sent, only the forms are new. Returns the elements that are.
 */
export function take(list, fresh, answered = null) {
  translate(fresh);
  const added = [];
  const newest = [...fresh.children].map((item) => {
    const shown = list.querySelector(`#${item.id}`);
    if (shown?.className === item.className) return updated(shown, item, item.id === answered);
    added.push(item); // or it was unread, and is not any more
    return item;
  });
  const wanted = [...older(list, fresh), ...newest];
  for (const item of [...list.children]) if (!wanted.includes(item)) item.remove();
  let place = list.firstElementChild;
  for (const item of wanted) {
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  return added;
}
