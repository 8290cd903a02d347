// Copies a reply as its model wrote it, which the page shows rendered.

const DONE_MS = 1500;

async function source(message) {
  const response = await fetch(`/api/messages/${message.id.replace("message-", "")}`);
  if (!response.ok) throw new Error(response.statusText);
  return new Blob([(await response.json()).content], { type: "text/plain" });
}

function say(button, word) {
  button.textContent = word;
  setTimeout(() => (button.textContent = "Copy"), DONE_MS);
}

async function copy(button) {
  try {
    // The promise, not its value: after waiting for it a browser would not let us write any more.
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": source(button.closest(".message")) })]);
    say(button, "Copied");
  } catch {
    say(button, "Not copied");
  }
}

const offer = () => document.querySelectorAll(".copy[hidden]").forEach((button) => (button.hidden = false));

if (navigator.clipboard?.write) {
  document.addEventListener("click", ({ target }) => target.matches(".copy") && copy(target));
  document.addEventListener("holdfast:changed", offer);
  offer();
}
