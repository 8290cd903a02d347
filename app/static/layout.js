// Where the panes were left: kept in this browser, for each user.

const key = `desk:${document.body.dataset.user ?? ""}`;

/** Places by the names of panes; nothing where nothing, or nonsense, is kept. */
export function load() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

export function save(places) {
  try {
    localStorage.setItem(key, JSON.stringify(places));
  } catch {
    // A browser that keeps nothing shows the panes side by side next time.
  }
}
