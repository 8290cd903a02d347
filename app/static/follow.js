// Stays at the newest text unless the reader has scrolled up, and then says how much is new.

const NEAR_PX = 80;
const TOLD_CHARS = 2000;

const scroll = document.getElementById("scroll");
const jump = document.getElementById("jump");
const told = document.getElementById("told");

let count = 0;

let isAtEnd = true;

function show() {
  if (isAtEnd) count = 0;
  jump.hidden = isAtEnd;
  jump.textContent = count ? `${count} new` : "Newest";
}

/** The flow is laid out from its end, where scrollTop is 0. */
const toEnd = () => (scroll.scrollTop = 0);

/** The end of a reply is read out once, and nothing of it while it is written. */
function tell(added) {
  for (const part of added) {
    const message = part.closest(".message.assistant");
    if (part.matches(".text:not([data-length])") && message) told.textContent = part.textContent.slice(0, TOLD_CHARS);
  }
}

document.addEventListener("holdfast:changed", ({ detail: { added } }) => {
  if (!isAtEnd) count += added.filter((part) => part.matches(".message:last-child")).length;
  tell(added);
  show();
});
document.addEventListener("holdfast:sent", toEnd);
function look() {
  isAtEnd = scroll.scrollTop > -NEAR_PX;
  show();
}

scroll.addEventListener("scroll", look, { passive: true });
const resized = new ResizeObserver(() => isAtEnd && toEnd());
for (const element of [scroll, scroll.firstElementChild]) resized.observe(element);
jump.addEventListener("click", () => (toEnd(), look(), scroll.focus()));
look();
