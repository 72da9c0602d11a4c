// Dates and times in the reader's own language and zone.

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const DAY_MS = 86_400_000;

function daysBetween(from: Date, to: Date): number {
  const start = (d: Date): number => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  return Math.round((start(to) - start(from)) / DAY_MS);
}

/** "Today, 18:00", "Tomorrow, 9:30", "Friday, 18:00", "Fri, 4 Dec, 18:00". */
export function dayAndTime(at: string, now: number): string {
  const when = new Date(at);
  const days = daysBetween(new Date(now), when);
  const day = days === 0 ? "Today" : days === 1 ? "Tomorrow" : days > 1 && days < 7 ? weekday.format(when) : date.format(when);
  return `${day}, ${time.format(when)}`;
}

/** "20:15". */
export function timeOfDay(at: number): string {
  return time.format(new Date(at));
}

export function fullTime(at: string): string {
  return full.format(new Date(at));
}
