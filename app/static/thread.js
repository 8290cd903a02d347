// Keeps a thread's page equal to the thread's events.
import { Message, showOnly } from "./message.js";

const RETRY_MS = 5000;

const list = document.getElementById("messages");
const title = document.getElementById("title");
const connection = document.getElementById("connection");
const messages = new Map();

function find(id) {
  const element = document.getElementById(`message-${id}`);
  if (element && !messages.has(id)) messages.set(id, new Message(element));
  return messages.get(id);
}

/** A new message, made from the page's own fragment; nothing for a role that has none. */
function add({ id, role }) {
  const element = document.getElementById(`blank-${role}`)?.content.firstElementChild.cloneNode(true);
  if (!element) return undefined;
  element.id = `message-${id}`;
  for (const button of element.querySelectorAll("button")) button.value = id;
  list.append(element);
  return find(id);
}

const fill = ({ message }) => (find(message.id) ?? add(message))?.fill(message);

const entitle = ({ thread }) => {
  title.textContent = thread.title ?? "Untitled";
  document.title = `${title.textContent} · Holdfast`;
};

/** Applies an event to the reply it belongs to, unless it comes too late. */
const change = (apply) => (event) => {
  const message = find(event.message_id);
  if (message?.admits(event.attempt)) apply(message, event);
};

const APPLY = {
  "thread.snapshot": (event) => {
    entitle(event);
    for (const message of event.messages) fill({ message });
  },
  "thread.updated": entitle,
  "message.created": fill,
  "message.processing": change((message, event) => {
    message.slot("model").textContent = event.model_id;
    message.setStatus("processing");
  }),
  "message.delta": change((message, event) => message.join(event.offset, event.text) || open()),
  "message.reset": change((message, event) => message.setText(event.text)),
  "message.waiting": change((message, event) => message.wait(event.wake_at)),
  "message.requires_action": change((message) => message.setStatus("requires_action")),
  "message.completed": fill,
  "message.failed": fill,
  "message.cancelled": fill,
};

/** Applies an event, and stays at the page's end if that is where the reader is. */
function receive(event) {
  const page = document.documentElement;
  const atEnd = page.scrollTop + page.clientHeight > page.scrollHeight - 100;
  APPLY[event.type](JSON.parse(event.data));
  if (atEnd) page.scrollTop = page.scrollHeight;
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

document.documentElement.scrollTop = document.documentElement.scrollHeight;
open();
