// Says how long ago a time was; the time itself, in the reader's zone, is in the tooltip.
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function tell(seconds) {
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  return words.format(Math.round(seconds / size), unit);
}

function show() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const moment = new Date(time.dateTime);
    const text = tell((moment - Date.now()) / 1000);
    if (time.textContent !== text) time.textContent = text;
    time.title = full.format(moment);
  }
}

show();
setInterval(show, 5000);
document.addEventListener("live", show);
