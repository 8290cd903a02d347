// Keeps a thread's page equal to the thread's events.
import "./countdown.js";
import { sendFrom } from "./forms.js";
import { ask, take } from "./list.js";
import { Message } from "./message.js";
import { showOnly } from "./show.js";

const RETRY_MS = 5000;
const TOGETHER_MS = 100;

const list = document.getElementById("messages");
const title = document.getElementById("title");
const connection = document.getElementById("connection");
const busy = document.getElementById("busy-field");
const messages = new WeakMap();

function of(element) {
  if (element && !messages.has(element)) messages.set(element, new Message(element));
  return messages.get(element);
}

const find = (id) => of(document.getElementById(`message-${id}`));

/** The ids of the path that is shown, without what was said into a reply that has not read it. */
const path = () => [...list.querySelectorAll(":scope > :not(.unread)")].map(({ id }) => id.replace("message-", ""));

/** A new message at the end of the path, made from the page's own fragment; nothing for a role that has none. */
function add({ id, role }) {
  const element = document.getElementById(`blank-${role}`)?.content.firstElementChild.cloneNode(true);
  if (!element) return undefined;
  element.id = `message-${id}`;
  for (const field of element.querySelectorAll('input[name="message_id"]')) field.value = id;
  for (const label of element.querySelectorAll("label[for]")) label.htmlFor += id;
  for (const part of element.querySelectorAll("[id]")) part.id += id;
  list.insertBefore(element, list.querySelector(":scope > .unread"));
  return of(element);
}

/** Whether these, the newest of the path, are what is shown here, or go on from it. */
function goOn(newest) {
  const [shown, ids] = [path(), newest.map(({ id }) => id)];
  const from = shown.indexOf(ids[0]);
  return shown.length === 0 || (from >= 0 && shown.slice(from).every((id, number) => id === ids[number]));
}

/** Whether a new message is sure to stand at the end of the path. What a user says into a running reply is not. */
function follows({ role, parent_id: above }) {
  const end = path().at(-1);
  return (end ?? null) === above && (role !== "user" || !end || find(end).ended);
}

const isAsked = ({ id, required_action: asked }) => asked && find(id)?.asks !== asked.id;

const entitle = ({ thread }) => {
  title.textContent = thread.title ?? "Untitled";
  document.title = `${title.textContent} · Holdfast`;
};

/** Applies an event to the reply it belongs to, unless it comes too late. */
const change = (apply) => (event) => {
  const message = find(event.message_id);
  if (message?.admits(event.attempt)) apply(message, event);
};

const call = change((message, event) => message.call(event.invocation));

function begin(event) {
  entitle(event);
  const known = goOn(event.messages);
  for (const message of event.messages) (find(message.id) ?? (known ? add(message) : undefined))?.fill(message);
  if (!known || event.messages.some(isAsked)) refresh();
}

function update({ thread }) {
  entitle({ thread });
  const last = thread.last_message;
  const message = last && find(last.id);
  if (last && path().at(-1) !== last.id) refresh();
  // It was answered, or woken, and is queued again.
  else if (message?.paused && last.status === "pending" && message.admits(last.attempt)) message.setStatus("pending");
}

function create({ message }) {
  const shown = find(message.id) ?? (follows(message) ? add(message) : undefined);
  if (shown) shown.fill(message);
  else refresh();
}

/** The last event of a reply, or of a message that was taken back. */
function end({ message }) {
  const shown = find(message.id);
  shown?.fill(message);
  const never = message.status === "cancelled" && message.attempt === 0;
  if (!shown || never || list.querySelector(":scope > .unread")) refresh();
}

const APPLY = {
  "thread.snapshot": begin,
  "thread.updated": update,
  "message.created": create,
  "message.processing": change((message, event) => {
    message.slot("model").textContent = event.model_id;
    message.setStatus("processing");
  }),
  "message.delta": change((message, event) => message.join(event.offset, event.text) || open()),
  "message.reset": change((message, event) => message.setText(event.text)),
  "message.waiting": change((message, event) => message.pause(event)),
  "message.requires_action": change((message, event) => {
    message.pause(event);
    if (isAsked({ id: event.message_id, ...event })) refresh();
  }),
  "tool.started": call,
  "tool.completed": call,
  "tool.failed": call,
  "message.completed": end,
  "message.failed": end,
  "message.cancelled": end,
};

/** What follows from how the replies stand: the place of those in the queue, and what sending can do. */
function settle() {
  let before = 0;
  for (const reply of [...list.querySelectorAll(":scope > .assistant")].map(of)) {
    if (reply.status === "pending") reply.setPlace(before);
    if (!reply.ended) before += 1;
  }
  busy.hidden = before === 0;
}

/** Changes the page, and stays at its end if that is where the reader is. */
function steadily(apply) {
  const page = document.documentElement;
  const atEnd = page.scrollTop + page.clientHeight > page.scrollHeight - 100;
  apply();
  if (atEnd) page.scrollTop = page.scrollHeight;
}

function receive(event) {
  steadily(() => APPLY[event.type](JSON.parse(event.data)));
  if (event.type !== "message.delta") settle();
}

/** Takes over the list as the server shows it. How replies stand, and what was missed of new ones, comes anew. */
function show(fresh, answered) {
  let added = [];
  steadily(() => (added = take(list, fresh, answered)));
  settle();
  if (answered) document.getElementById(answered)?.querySelector("[aria-invalid]")?.focus();
  if (answered || added.some((element) => !of(element).ended)) open();
}

let refreshing;

/** Asks for the list where events alone do not tell what it is now. */
function refresh(milliseconds = TOGETHER_MS) {
  clearTimeout(refreshing);
  refreshing = setTimeout(async () => {
    try {
      const { list: fresh } = await ask(list.dataset.page);
      if (fresh) show(fresh);
    } catch {
      refresh(RETRY_MS);
    }
  }, milliseconds);
}

let stream;
let retry;

function close() {
  clearTimeout(retry);
  stream?.close();
}

/** Opens the stream without a cursor, so that it begins with a snapshot; after a break the browser resumes it. */
function open() {
  close();
  stream = new EventSource(list.dataset.events);
  for (const type of Object.keys(APPLY)) stream.addEventListener(type, receive);
  stream.onopen = () => showOnly(connection, "open");
  stream.onerror = () => {
    const refused = stream.readyState === EventSource.CLOSED; // the browser does not try again by itself
    showOnly(connection, refused ? "refused" : "lost");
    if (refused) retry = setTimeout(open, RETRY_MS);
  };
}

// A hidden page gives up its connection, of which a browser has six for a site; a snapshot makes it current again.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && open());

sendFrom(list, show);
document.documentElement.scrollTop = document.documentElement.scrollHeight;
open();
