// What one person chose to see no more, or asked, kept for this tab so that a reload does not forget it. Where a browser
// keeps nothing, the page forgets with the reload.

/** Of one list, unless it is said; the newest stay. */
const MAX_KEPT = 20;

export class Kept {
  private list: string[];

  constructor(
    private readonly key: string,
    private readonly max = MAX_KEPT,
  ) {
    this.list = read(key, max);
  }

  has(item: string): boolean {
    return this.list.includes(item);
  }

  get empty(): boolean {
    return this.list.length === 0;
  }

  add(item: string): void {
    this.list = [...this.list.filter((each) => each !== item), item].slice(-this.max);
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.list));
    } catch {
      // Full, or not allowed.
    }
  }
}

function read(key: string, max: number): string[] {
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(key) ?? "[]");
    return Array.isArray(list) ? list.filter((item): item is string => typeof item === "string").slice(-max) : [];
  } catch {
    return [];
  }
}
