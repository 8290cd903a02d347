// Sends the forms about messages without leaving the page, so that nothing typed or opened elsewhere on it is lost.
import { ask } from "./list.js";

/** What a page of an error says. */
const told = (page) => [...page.querySelectorAll("main h1, main h1 + p")].map((part) => part.textContent).join(": ");

/** Says beside a form why it was not taken. */
function say(form, text) {
  form.querySelector(":scope > [role=alert]")?.remove();
  const alert = document.createElement("p");
  alert.className = "error";
  alert.setAttribute("role", "alert");
  alert.textContent = text;
  form.append(alert);
}

async function send(form, button, show) {
  const body = new URLSearchParams(new FormData(form));
  if (button?.name) body.append(button.name, button.value);
  const action = button?.getAttribute("formaction") ?? form.getAttribute("action");
  const message = form.closest(".message").id;
  const { response, page, list } = await ask(action, { method: "POST", body });
  if (list) show(list, message);
  else if (response.redirected) location.assign(response.url); // to sign in
  else say(form, told(page) || "The server refused this; reload the page.");
}

/** `show` gets the list that comes back, and the id of the message whose form was sent. */
export function sendFrom(list, show) {
  list.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { target, submitter } = event;
    if (target.inert) return;
    target.inert = true; // until it is answered: a double click shall not send twice
    try {
      await send(target, submitter, show);
    } catch {
      say(target, "The server does not answer. What you wrote is still here; try again.");
    }
    target.inert = false;
  });
}
