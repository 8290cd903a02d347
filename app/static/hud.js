// The panes of the display: side by side, or where somebody has put them, which this browser remembers for each user.
import { load, save } from "./layout.js";

const LEAST = { w: 12, h: 8 }; // cells, so that a pane can always be read and grasped
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const desk = document.querySelector(".desk > main");
const panes = () => [...document.querySelectorAll("hud-pane")];
const cell = () => parseFloat(getComputedStyle(desk).getPropertyValue("--cell"));
/** One column is all that a narrow window has room for. */
const isWide = () => getComputedStyle(desk).getPropertyValue("--is-wide").trim() === "1";
const between = (low, value, high) => Math.max(low, Math.min(value, high));

/** Writes down where every pane is. */
const remember = () =>
  save(Object.fromEntries(panes().map((pane) => [pane.name, { ...pane.place, closed: pane.hidden }])));

/** From side by side to freely placed: each pane stays where it is. */
function float() {
  if (desk.classList.contains("floating")) return;
  const places = panes().map((pane) => [pane, pane.measured()]);
  desk.classList.add("floating");
  for (const [pane, place] of places) pane.put(place);
}

function tile() {
  desk.classList.remove("floating");
  for (const pane of panes()) pane.place = null;
  for (const pane of panes()) pane.hidden = false;
  remember();
}

/** The place nearest to this one that is on the grid and within the display. */
function within(place) {
  const [columns, rows] = [Math.floor(desk.clientWidth / cell()), Math.floor(desk.clientHeight / cell())];
  const w = between(LEAST.w, Math.round(place.w), columns);
  const h = between(LEAST.h, Math.round(place.h), rows);
  return { x: between(0, Math.round(place.x), columns - w), y: between(0, Math.round(place.y), rows - h), w, h };
}

function button(className, label, text) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: `quiet ${className}`, textContent: text, title: label });
  made.setAttribute("aria-label", label);
  return made;
}

class HudPane extends HTMLElement {
  place = null; // {x, y, w, h} in cells; null while the panes stand side by side

  connectedCallback() {
    const bar = this.querySelector(".bar");
    const title = bar.textContent.trim();
    const move = button("move", `Move ${title}: arrows, with Shift to resize`, "✥");
    const close = button("close", `Put ${title} away`, "×");
    const grip = document.createElement("span");
    grip.className = "grip";
    bar.append(move, close);
    this.append(grip);
    close.addEventListener("click", () => this.close());
    move.addEventListener("keydown", (event) => this.#press(event));
    this.#drag(bar, ({ x, y }, [right, down]) => ({ x: x + right, y: y + down }));
    this.#drag(grip, ({ w, h }, [right, down]) => ({ w: w + right, h: h + down }));
    this.addEventListener("focusin", () => this.raise());
    this.addEventListener("pointerdown", () => this.raise());
  }

  get name() {
    return this.dataset.name;
  }

  /** Where it is now, in cells. */
  measured() {
    const [own, all, size] = [this.getBoundingClientRect(), desk.getBoundingClientRect(), cell()];
    const cells = [own.left - all.left, own.top - all.top, own.width, own.height].map((px) => Math.round(px / size));
    return { x: cells[0], y: cells[1], w: cells[2], h: cells[3] };
  }

  /** Puts it there. */
  put(place) {
    this.place = within(place);
    this.fit();
  }

  /** Shows it in its place as far as the display has room; it remembers the place for when there is more. */
  fit() {
    for (const [name, value] of Object.entries(within(this.place))) this.style.setProperty(`--${name}`, value);
  }

  raise() {
    for (const pane of panes()) pane.classList.toggle("front", pane === this);
  }

  /** Shows it and goes there. */
  open() {
    this.hidden = false;
    this.raise();
    this.scrollIntoView({ block: "nearest", inline: "start" });
    this.#main()?.focus({ preventScroll: true });
    remember();
  }

  /** Puts it away; the focus goes to what brings it back. */
  close() {
    this.hidden = true;
    remember();
    document.querySelector(`[data-pane="${this.name}"]`)?.focus();
  }

  /** Where somebody goes on who comes here by keyboard. */
  #main() {
    const seen = [...this.querySelectorAll("a[href], button, input, select")].filter((each) => each.checkVisibility());
    return this.querySelector("#content, #search") ?? seen.find((each) => !each.closest(".bar")) ?? seen[0];
  }

  #press(event) {
    if (event.key === "Escape") return this.close();
    const arrow = ARROWS[event.key];
    if (!arrow || !isWide()) return;
    event.preventDefault();
    float();
    const { x, y, w, h } = this.place;
    const [right, down] = arrow;
    this.put(event.shiftKey ? { x, y, w: w + right, h: h + down } : { x: x + right, y: y + down, w, h });
    remember();
  }

  /** Lets `handle` be dragged; `moved` says what becomes of a place that was moved by so many cells. */
  #drag(handle, moved) {
    handle.addEventListener("pointerdown", (event) => {
      if (!isWide() || event.button !== 0 || event.target.closest("button")) return;
      event.preventDefault();
      float();
      const [from, begun, size] = [this.place, [event.clientX, event.clientY], cell()];
      const follow = ({ clientX, clientY }) => {
        const cells = [(clientX - begun[0]) / size, (clientY - begun[1]) / size];
        this.put({ ...from, ...moved(from, cells) });
      };
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener("pointermove", follow);
      const end = () => (handle.removeEventListener("pointermove", follow), remember());
      handle.addEventListener("lostpointercapture", end, { once: true });
    });
  }
}

/** Each pane in its place, if they have any and the window has room for them. */
function arrange() {
  if (!isWide() || !panes().every((pane) => pane.place)) return;
  desk.classList.add("floating");
  for (const pane of panes()) pane.fit();
}

/** Everything as it was left. */
function restore() {
  const places = load();
  const isPlaced = panes().every(({ name }) => places[name]?.w);
  if (isPlaced) for (const pane of panes()) pane.place = places[pane.name];
  arrange();
  // The pane that the page is about is always there.
  for (const pane of panes()) pane.hidden = pane.name !== "chat" && Boolean(places[pane.name]?.closed);
}

if (desk) {
  customElements.define("hud-pane", HudPane);
  restore();
  addEventListener("resize", arrange);
  const show = (name) => panes().find((pane) => pane.name === name)?.open();
  document.addEventListener("holdfast:pane", ({ detail }) => show(detail));
  document.querySelector(".dock").addEventListener("click", (event) => {
    const name = event.target.dataset.pane;
    if (!name || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(name);
  });
  const tiled = document.getElementById("tile");
  tiled.hidden = false;
  tiled.addEventListener("click", tile);
}
