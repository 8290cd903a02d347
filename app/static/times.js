// Shows moments in the reader's own time zone; the server, which does not know it, wrote them in its own.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Translates the moments inside `root`. */
export function translate(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

translate(document);
