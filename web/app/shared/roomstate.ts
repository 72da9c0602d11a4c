// What a room's page holds: the newest value of each (type, key).
//
// The rule is the server's: an event replaces its (type, key) when its version is higher. So it does not matter whether
// something arrives in a snapshot, in a tick, once or twice. A value without a version is whatever was heard last.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { EventPayloads, EventType } from "./events";
import type { Wire } from "./kept";

interface Entry {
  version: number;
  value: Signal<unknown>;
}

type Handler = (data: never, key: string) => void;

export class RoomState {
  private readonly entries = new Map<string, Entry>();
  private readonly handlers = new Map<string, Set<Handler>>();

  /** The newest value of a key as a signal; undefined until the server has said one. */
  value<T extends EventType>(type: T, key: string): ReadonlySignal<EventPayloads[T] | undefined> {
    return this.entry(type, key).value as Signal<EventPayloads[T] | undefined>;
  }

  /** The version of that value, 0 when there is none or it has none. */
  version(type: EventType, key: string): number {
    return this.entries.get(entryKey(type, key))?.version ?? 0;
  }

  /** Hears each change of a type, from snapshots too. Returns the way off. */
  on<T extends EventType>(type: T, handler: (data: EventPayloads[T], key: string) => void): () => void {
    const set = this.handlers.get(type) ?? new Set();
    this.handlers.set(type, set);
    set.add(handler as Handler);
    return () => set.delete(handler as Handler);
  }

  apply(events: readonly Wire[]): void {
    const changed: Wire[] = [];
    batch(() => {
      for (const event of events) {
        if (typeof event?.t !== "string" || event.d === undefined) continue;
        const entry = this.entry(event.t, event.k ?? "");
        if (event.v !== undefined && event.v !== 0) {
          if (typeof event.v !== "number" || event.v <= entry.version) continue;
          entry.version = event.v;
        }
        entry.value.value = event.d;
        changed.push(event);
      }
      for (const event of changed) for (const handler of this.handlers.get(event.t) ?? []) handler(event.d as never, event.k ?? "");
    });
  }

  /** A snapshot is the whole truth up to its version: what it does not name, and is not newer, is gone. */
  replace(events: readonly Wire[]): void {
    const floor = events.reduce((top, event) => Math.max(top, event.v ?? 0), 0);
    const named = new Set(events.map((event) => entryKey(event.t, event.k ?? "")));
    batch(() => {
      for (const [key, entry] of this.entries) {
        if (named.has(key) || entry.version > floor) continue;
        entry.version = 0;
        entry.value.value = undefined;
      }
      this.apply(events);
    });
  }

  private entry(type: string, key: string): Entry {
    const id = entryKey(type, key);
    let found = this.entries.get(id);
    if (!found) {
      found = { version: 0, value: signal<unknown>(undefined) };
      this.entries.set(id, found);
    }
    return found;
  }
}

function entryKey(type: string, key: string): string {
  return `${type} ${key}`;
}
