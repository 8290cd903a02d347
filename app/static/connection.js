// How the page hears what is new: by its stream or, where that does not come through, by asking again and again.
import { showOnly } from "./show.js";

const READY_MS = 8000;
const RETRY_MS = 5000;
const POLL_MS = 2000;
const SOON_MS = 100; // in which a page that comes to the front hears so twice
const FAILURES = 2; // before asking again and again is worth its while

const stream = document.getElementById("stream");
const indicator = document.getElementById("connection");

let failures = 0;
let connection = null;
let isOpen = false;
let isHeard = false; // since it was opened
let isAnswered = true; // when it was asked last
let patience;
let polling;
let retry;

const is = (...states) => states.includes(indicator.dataset.state);

/** What is gone stays so; who was signed out is so until the server answers as before. */
const AFTER = { "signed-out": ["live", "polling", "gone"], gone: [] };

function show(state) {
  const isSaid = AFTER[indicator.dataset.state]?.includes(state) ?? true;
  if (is(state) || !isSaid) return;
  indicator.dataset.state = state;
  showOnly(indicator, state);
}

const poll = () =>
  document.hidden || htmx.ajax("GET", stream.dataset.page, { source: indicator, target: "#messages", swap: "parts" });

function beginPolling() {
  polling ??= setInterval(poll, POLL_MS);
}

function endPolling() {
  clearInterval(polling);
  polling = undefined;
}

/** What follows from an answer that is no page and no stream. */
function refuse(status) {
  if (status === 401) show("signed-out");
  else if (status === 404) show("gone");
  else return show(polling && isAnswered ? "polling" : "reconnecting");
  endPolling();
}

function fail(status) {
  failures += 1;
  clearTimeout(patience);
  if (failures >= FAILURES) beginPolling();
  refuse(status);
}

function connect() {
  clearTimeout(retry);
  if (!is("signed-out", "gone")) htmx.trigger(stream, "connect");
}

/** They may have signed in elsewhere; what is shown stays until it is known, for their pointer may be on its link. */
function tryAgain() {
  if (document.hidden || !is("signed-out")) return;
  isAnswered = false;
  clearTimeout(retry);
  retry = setTimeout(() => htmx.trigger(stream, "connect"), SOON_MS);
}

/** The first connection is made once; after that the stream reconnects by itself. */
function connectLater() {
  clearTimeout(retry);
  retry = setTimeout(connect, RETRY_MS);
}

stream.addEventListener("htmx:sse:before:connection", (event) => {
  connection = event.detail.connection;
  if (isOpen && !isHeard) fail();
  else if (isOpen) show("reconnecting");
  isOpen = isHeard = false;
  // Before the first attempt of a connection there was an answer.
  if (connection.attempt && is("signed-out", "gone")) event.preventDefault();
});
stream.addEventListener("htmx:sse:after:connection", () => {
  isOpen = true;
  clearTimeout(patience);
  patience = setTimeout(() => fail(), READY_MS); // something on the way holds it back
});
stream.addEventListener("ready", () => {
  clearTimeout(patience);
  isHeard = true;
  failures = 0;
  endPolling();
  show("live");
});
stream.addEventListener("htmx:sse:error", ({ detail }) => fail(detail.status));
stream.addEventListener("htmx:sse:close", connectLater);
stream.addEventListener("htmx:response:error", ({ detail }) => (fail(detail.ctx.response.status), connectLater()));
stream.addEventListener("htmx:error", () => (fail(), connectLater()));
addEventListener("pagehide", () => connection?.abortController.abort());
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("offline", () => show("reconnecting"));
addEventListener("focus", tryAgain);
document.addEventListener("visibilitychange", tryAgain);
// An answer to a form says that somebody is signed in, also to a page that was in front all the time.
document.addEventListener("htmx:after:request", ({ target, detail }) => {
  if (target.matches?.("form") && detail.ctx.response.status !== 401) tryAgain();
});
addEventListener("online", () => connection?.reader?.cancel()); // it may be the same one: to make it anew tells

indicator.addEventListener("htmx:after:swap", () => ((isAnswered = true), polling && show("polling")));
indicator.addEventListener("htmx:response:error", ({ detail }) => refuse(detail.ctx.response.status));
indicator.addEventListener("htmx:error", () => ((isAnswered = false), show("reconnecting")));

// Without a cursor the stream begins with the whole page.
document.addEventListener("holdfast:gap", () => {
  if (!connection) return;
  connection.lastEventId = "";
  connection.reader?.cancel();
});

/** Opens the stream. */
export function begin() {
  indicator.hidden = false;
  stream.setAttribute("hx-sse:connect", stream.dataset.address);
  htmx.process(stream);
}
