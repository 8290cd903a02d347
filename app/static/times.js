// Shows moments in the reader's own time zone; the server, which does not know it, wrote them in its own.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function setTime(time, moment) {
  time.dateTime = moment ?? "";
  time.textContent = moment ? format.format(new Date(moment)) : "";
}

/** Translates the moments inside `root`. */
export function translate(root) {
  for (const time of root.querySelectorAll("time[datetime]")) setTime(time, time.dateTime);
}

translate(document);
