// The text of a running reply: finished blocks stay as they are, the open one is replaced.

const ENDED = new Set(["completed", "failed", "cancelled"]);

export const hasEnded = (message) => ENDED.has(message.dataset.status);

const numbers = ({ dataset }) => ({
  attempt: Number(dataset.attempt),
  start: Number(dataset.start),
  done: Number(dataset.done),
  length: Number(dataset.length),
});

/** Whether the text `fresh` says more than `shown` does. One with a length is being written, one without is whole. */
export function saysMore(shown, fresh) {
  if (!fresh.dataset.length) return fresh.dataset.version !== shown.dataset.version;
  if (!shown.dataset.length) return false;
  const [has, told] = [numbers(shown), numbers(fresh)];
  return told.attempt > has.attempt || (told.attempt === has.attempt && told.length >= has.length);
}

/** How the blocks of `frame` join those of `text`; false where blocks are missing between them. */
function join(text, frame) {
  const [has, told] = [numbers(text), numbers(frame)];
  if (told.attempt < has.attempt) return true;
  if (told.start === 0) text.replaceChildren(...frame.childNodes);
  else if (told.attempt > has.attempt) return false;
  else if (told.done === has.done) text.lastElementChild.replaceWith(frame.lastElementChild);
  else if (told.start === has.done) text.lastElementChild.replaceWith(...frame.childNodes);
  else return told.length <= has.length;
  for (const name of ["attempt", "done", "length"]) text.dataset[name] = frame.dataset[name];
  return true;
}

/** Lets the text grow that `frame` is about; false where the page must begin anew. */
export function grow(frame) {
  const message = document.getElementById(frame.dataset.grown);
  if (!message || hasEnded(message)) return true;
  const joined = join(message.querySelector(":scope > .text"), frame);
  const { attempt } = frame.dataset;
  // Who writes is at work, though the frame that says so may come later.
  if (joined && attempt > Number(message.dataset.attempt)) Object.assign(message.dataset, { attempt, status: "processing" });
  return joined;
}
