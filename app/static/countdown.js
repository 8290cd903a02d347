// Counts down beside the moment until which a reply waits.

const two = (number) => String(number).padStart(2, "0");

function left(until) {
  const seconds = Math.max(0, Math.ceil((new Date(until) - Date.now()) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export function count() {
  for (const shown of document.querySelectorAll(".left")) {
    const until = shown.parentElement.querySelector("time").dateTime;
    shown.textContent = `(${left(until)} left)`;
  }
}

count();
setInterval(count, 1000);
