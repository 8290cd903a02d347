// Keeps a thread's page equal to the thread.
import "./countdown.js";
import "./parts.js";
import "./composer.js";
import "./follow.js";
import "./copy.js";
import "./chats.js";
import { begin } from "./connection.js";
import { hasEnded } from "./text.js";

const list = document.getElementById("messages");
const busy = document.getElementById("busy-field");

/** What follows from how the replies stand: the place of those in the queue, and what sending can do. */
function settle() {
  let before = 0;
  for (const reply of list.querySelectorAll(":scope > .assistant")) {
    const place = reply.querySelector(".place");
    if (place) place.textContent = before ? `${before} before it` : "";
    if (!hasEnded(reply)) before += 1;
  }
  busy.hidden = before === 0;
}

document.addEventListener("holdfast:changed", settle);
settle();
begin();
