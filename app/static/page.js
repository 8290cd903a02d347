// What every page does.
import "./times.js";
import "./hud.js";
import "./keys.js";

// Whoever signs out leaves nothing of what they wrote in this browser.
document.addEventListener("submit", ({ submitter }) => {
  if (submitter?.matches("[data-forget]")) sessionStorage.clear();
});
