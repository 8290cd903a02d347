// One message on the page. What anybody wrote is set as text, never as markup.
import { setTime } from "./times.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);

/** What offsets count. */
const codePoints = (text) => [...text];

/** Shows what belongs to `status` inside `root`. */
export function showOnly(root, status) {
  for (const part of root.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(status);
}

export class Message {
  constructor(element) {
    this.element = element;
    this.attempt = Number(element.dataset.attempt);
    this.length = codePoints(this.slot("text").textContent).length;
  }

  slot(name) {
    return this.element.querySelector(`[data-slot="${name}"]`);
  }

  /** Whether an event of `attempt` still counts. An attempt begins without text. */
  admits(attempt) {
    if (ENDED.has(this.element.dataset.status) || attempt < this.attempt) return false;
    if (attempt > this.attempt) this.setText("");
    this.attempt = attempt;
    return true;
  }

  setStatus(status) {
    this.element.dataset.status = status;
    showOnly(this.element, status);
  }

  setText(text) {
    const shown = this.slot("text");
    if (shown.textContent !== text) shown.textContent = text;
    this.length = codePoints(text).length;
  }

  /** Joins `text` at its offset, without what is there already; false where text is missing before it. */
  join(offset, text) {
    if (offset > this.length) return false;
    const added = codePoints(text).slice(this.length - offset);
    this.slot("text").append(added.join(""));
    this.length += added.length;
    return true;
  }

  wait(until) {
    setTime(this.slot("wake"), until);
    this.setStatus("waiting");
  }

  /** Makes it equal to `message`, as events and snapshots carry it. */
  fill(message) {
    if (!this.admits(message.attempt)) return;
    this.setText(message.content);
    this.slot("model").textContent = message.model_id ?? "";
    setTime(this.slot("created"), message.created_at);
    if (message.status === "waiting") this.wait(message.wake_at);
    if (message.error) this.slot("problem").textContent = message.error.message;
    this.setStatus(message.status);
  }
}
