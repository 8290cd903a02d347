// The card of one call of a tool. What a model or a tool wrote is set as text, never as markup.
import { showOnly } from "./show.js";
import { setTime } from "./times.js";

const BRIEF = 120;

/** The beginning of a result, in one line; app/web/invocations.py cuts alike. */
function brief(text) {
  const begin = [...(text ?? "").slice(0, 8 * BRIEF)].slice(0, 4 * BRIEF).join("");
  const line = [...begin.trim().replace(/\s+/g, " ")];
  return line.length <= BRIEF ? line.join("") : `${line.slice(0, BRIEF - 1).join("")}…`;
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

export function setCall(card, status) {
  card.dataset.status = status;
  showOnly(card, status, "called");
}

/** Makes `card` equal to `invocation`. */
function fill(card, invocation) {
  const slot = (name) => card.querySelector(`[data-slot="${name}"]`);
  setCall(card, invocation.status);
  slot("name").textContent = invocation.name;
  slot("brief").textContent = brief(invocation.error || invocation.result);
  slot("arguments").textContent = written(invocation.arguments);
  for (const name of ["result", "error"]) slot(name).textContent = invocation[name] ?? "";
  slot("plan").replaceChildren(...steps(invocation));
  setTime(slot("started"), invocation.started_at);
  setTime(slot("ended"), invocation.completed_at);
  const { result, error, started_at: started, completed_at: over } = invocation;
  for (const [name, value] of Object.entries({ result, error, started, ended: over })) {
    card.querySelector(`[data-row="${name}"]`).hidden = !value;
  }
}

/** The steps that a plan has; nothing for any other call. */
function steps({ name, status, arguments: given }) {
  const planned = name === "plan" && status === "completed" ? given.steps : [];
  return planned.map(({ title, state }) => {
    const step = document.createElement("li");
    Object.assign(step, { textContent: title, dir: "auto" });
    step.dataset.state = state ?? "pending";
    return step;
  });
}

/** A new card at its place in `list`: ids are ordered by time. */
function add(list, id) {
  const card = document.getElementById("blank-call").content.firstElementChild.cloneNode(true);
  card.id = `call-${id}`;
  list.insertBefore(card, [...list.children].find((other) => other.id > card.id) ?? null);
  return card;
}

/** Shows the call in its reply's `list`. */
export function showCall(list, invocation) {
  fill(document.getElementById(`call-${invocation.id}`) ?? add(list, invocation.id), invocation);
}
