// A page's place in a show's room: one line (kept.ts), the newest value of each thing (roomstate.ts), what is said once
// and may be left out (chat, hearts), what the page asks (calls.ts), and how it goes on where it was after a loss.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { Calls, type RoomCallOptions, type RoomCalls, type RoomRemarks } from "./calls";
import type { Greeting } from "./carriers";
import type { EventPayloads, EventType, SampledPayloads, SampledType } from "./events";
import { KeptLine, type Addresses, type CloseReason, type RoomPhase, type Wire } from "./kept";
import { RoomState } from "./roomstate";

export { CallError, newCallId } from "./calls";
export type { CloseReason, RoomPhase } from "./kept";

type SampledHandler = (items: never[], recent: boolean) => void;

export class Room {
  readonly phase: Signal<RoomPhase>;
  readonly closeReason: Signal<CloseReason | null>;
  /** When the next attempt starts (performance.now()), while waiting. */
  readonly retryAt: Signal<number>;
  /** The newest version of the person's private document that was heard of; 0 when none was. */
  readonly me: Signal<number> = signal(0);

  private readonly line: KeptLine;
  private readonly values = new RoomState();
  private readonly calls: Calls;
  private readonly sampled = new Map<string, Set<SampledHandler>>();
  private epoch = "";
  private offset = -1;

  constructor(
    private readonly show: string,
    options: { addresses?: Addresses } = {},
  ) {
    this.line = new KeptLine(
      { greet: () => this.greet(), heard: (frame) => this.heard(frame), broke: () => this.calls.broke(), busy: () => this.calls.busy },
      options.addresses,
    );
    this.calls = new Calls((frame) => this.line.send(frame));
    this.phase = this.line.phase;
    this.closeReason = this.line.closeReason;
    this.retryAt = this.line.retryAt;
  }

  /** Joins, and keeps joining, until close(). A second call does nothing. Handlers that must miss nothing are set before. */
  open(): void {
    this.line.open();
  }

  close(): void {
    this.line.close();
  }

  /** Tries at once, for a person who does not want to wait. */
  retryNow(): void {
    this.line.retryNow();
  }

  /** Comes again as whoever this browser's cookies name now; nothing that is said meanwhile is missed. */
  again(): void {
    this.line.again();
  }

  /** Whether there is a line now on which a question is quicker than a request: a WebSocket. */
  get bySocket(): boolean {
    return this.line.bySocket;
  }

  /** The newest value of a key as a signal; undefined until the server has said one. */
  state<T extends EventType>(type: T, key: string): ReadonlySignal<EventPayloads[T] | undefined> {
    return this.values.value(type, key);
  }

  /** The version of that value, 0 when there is none: a document read over HTTP with a lower version is older. */
  version(type: EventType, key: string): number {
    return this.values.version(type, key);
  }

  /** Hears each change of a type, from snapshots too. Returns the way off. */
  on<T extends EventType>(type: T, handler: (data: EventPayloads[T], key: string) => void): () => void {
    return this.values.on(type, handler);
  }

  /**
   * Hears what is said once: all of one type that came in one frame, oldest first. `recent` marks what was said before the
   * page came (back); some of it may have been heard already. Returns the way off.
   */
  onSampled<T extends SampledType>(type: T, handler: (items: SampledPayloads[T][], recent: boolean) => void): () => void {
    const set = this.sampled.get(type) ?? new Set();
    this.sampled.set(type, set);
    set.add(handler as SampledHandler);
    return () => set.delete(handler as SampledHandler);
  }

  /** Asks, and resolves with the answer; rejects with a CallError. Give the id of an unsure try to try the same again. */
  call<N extends keyof RoomCalls>(name: N, data: RoomCalls[N]["ask"], options?: RoomCallOptions): Promise<RoomCalls[N]["answer"]> {
    return this.calls.ask(name, data, options);
  }

  /** Says without asking for an answer. false: it did not leave. */
  remark<N extends keyof RoomRemarks>(name: N, data: RoomRemarks[N]): boolean {
    return this.calls.remark(name, data);
  }

  private greet(): Greeting {
    return { t: "join", room: this.show, ...(this.epoch ? { epoch: this.epoch, o: this.offset } : {}) };
  }

  private heard(frame: Wire): void {
    switch (frame.t) {
      case "joined":
        this.joined(frame as Wire & { epoch: string; resumed: boolean });
        break;
      case "tick":
        this.values.apply(listOf(frame.d));
        this.passed(frame.o);
        break;
      case "sample":
        this.tellSampled(listOf(frame.d), false);
        break;
      case "reply":
        this.calls.reply(frame);
        break;
      case "me":
        if (typeof frame.v === "number" && frame.v > this.me.peek()) this.me.value = frame.v;
        break;
      default:
        this.values.apply([frame]);
        this.passed(frame.o);
    }
  }

  /** Also comes on a line that has joined long ago: to a page that lagged, or after the server lost its history. */
  private joined(frame: Wire & { epoch: string; resumed: boolean }): void {
    const events = listOf(frame.d);
    batch(() => {
      // What comes with a resume has no versions, and so no place in the history that follows.
      if (frame.resumed) this.values.apply(events);
      else this.values.replace(events);
      this.tellSampled(listOf(frame.s), true);
      this.epoch = frame.epoch;
      if (!frame.resumed || this.offset < 0) this.offset = frame.o ?? -1;
      this.line.joined();
    });
  }

  private tellSampled(items: Wire[], recent: boolean): void {
    const byType = new Map<string, unknown[]>();
    for (const { t, d } of items) {
      const list = byType.get(t) ?? [];
      byType.set(t, list);
      if (d !== undefined) list.push(d);
    }
    batch(() => {
      for (const [type, list] of byType) for (const handler of this.sampled.get(type) ?? []) handler(list as never[], recent);
    });
  }

  private passed(offset: number | undefined): void {
    if (typeof offset === "number" && offset > this.offset) this.offset = offset;
  }
}

function listOf(data: unknown): Wire[] {
  return Array.isArray(data) ? (data as Wire[]).filter((item) => typeof item?.t === "string") : [];
}
