// One message on the page. What anybody wrote is set as text, never as markup.
import { setCall, showCall } from "./call.js";
import { showOnly } from "./show.js";
import { setTime } from "./times.js";
import { isTyped } from "./typed.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);

/** What offsets count. */
const codePoints = (text) => [...text];

export class Message {
  constructor(element) {
    this.element = element;
    this.attempt = Number(element.dataset.attempt);
    this.length = codePoints(this.slot("text").textContent).length;
  }

  slot(name) {
    return this.element.querySelector(`[data-slot="${name}"]`);
  }

  get status() {
    return this.element.dataset.status;
  }

  get ended() {
    return ENDED.has(this.status);
  }

  get paused() {
    return this.status === "waiting" || this.status === "requires_action";
  }

  /** The id of what its form asks of a person; empty where it has none. */
  get asks() {
    return this.#action?.dataset.version ?? "";
  }

  get #action() {
    return this.element.querySelector('[data-part="action"]');
  }

  /** Whether an event of `attempt` still counts. An attempt begins without text. */
  admits(attempt) {
    if (this.ended || attempt < this.attempt) return false;
    if (attempt > this.attempt) this.setText("");
    this.attempt = attempt;
    this.element.dataset.attempt = attempt;
    return true;
  }

  setStatus(status) {
    this.element.dataset.status = status;
    showOnly(this.element, status);
    // An answer that is being written stays, though somebody else has answered: sending it says so and keeps the text.
    if (this.#action && isTyped(this.#action)) this.#action.hidden = false;
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

  /** It stops until `until`, or, without that, until somebody has answered `asked`. */
  pause({ wake_at: until, required_action: asked }) {
    if (until) this.wait(until);
    else this.setStatus("requires_action");
    for (const card of this.slot("calls").querySelectorAll('[data-status="processing"]')) setCall(card, this.status);
    for (const invocation of asked?.tool_invocations ?? []) this.call(invocation);
  }

  /** How many replies stand before it. */
  setPlace(count) {
    this.slot("place").textContent = count ? `${count} before it` : "";
  }

  call(invocation) {
    showCall(this.slot("calls"), invocation);
  }

  /** Makes it equal to `message`, as events and snapshots carry it. */
  fill(message) {
    if (message.role === "user") this.#say(message);
    else if (this.admits(message.attempt)) this.#answer(message);
  }

  /** What a user wrote may be changed as long as nobody has read it. */
  #say(message) {
    // In its form there may be a change that was refused: that stays, unless the message itself has changed.
    if (this.slot("text").textContent !== message.content) this.slot("edited").defaultValue = message.content;
    this.setText(message.content);
    setTime(this.slot("created"), message.created_at);
    this.element.dataset.status = message.status;
  }

  #answer(message) {
    this.setText(message.content);
    this.slot("model").textContent = message.model_id ?? "";
    setTime(this.slot("created"), message.created_at);
    this.setPlace(message.queue_position);
    if (message.status === "waiting") this.wait(message.wake_at);
    if (message.error) this.slot("problem").textContent = message.error.message;
    this.setStatus(message.status);
    showOnly(this.element, message.finish_reason ?? "", "finish");
    for (const invocation of message.tool_invocations) this.call(invocation);
  }
}
