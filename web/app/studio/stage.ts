// The show page's one model: the show, what is captured, and whether it is on air. Pages render it; they decide nothing.

import { computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Show } from "../shared/api";
import { clockUncertainty, serverNow } from "../shared/clock";
import { Capture } from "./capture";
import { LOW, STANDARD, type Quality } from "./devices";
import { guardLive, markLive, Tabs, wasLive } from "./guards";
import { Meter } from "./meter";
import { PictureCheck } from "./picture";
import { Publisher } from "./publisher";
import { words } from "../shared/back/words";

/** With a clock worse than this the server's own moment is the better one. */
const SURE_MS = 500;

export class Stage {
  readonly show: Signal<Show>;
  readonly capture: Capture;
  readonly publisher: Publisher;
  readonly meter = new Meter();
  readonly picture = new PictureCheck();
  /** The creator asked to be live; stays true through broken lines until they stop or someone takes over. */
  readonly wanted: ReadonlySignal<boolean>;
  readonly ended: ReadonlySignal<boolean>;
  /** People watching, as the room counts them; null until it has said so. */
  readonly watching: Signal<number | null> = signal<number | null>(null);
  readonly ending: Signal<boolean> = signal(false);
  readonly endFailed: Signal<string> = signal("");
  readonly quality: Quality;
  private readonly tabs: Tabs;
  private readonly release: (() => void)[] = [];

  constructor(show: Show, quality: Quality) {
    this.show = signal(show);
    this.quality = quality;
    this.capture = new Capture(
      quality,
      () => this.show.value.title,
      (kind, track) => void this.publisher.replace(kind, track),
    );
    this.publisher = new Publisher(
      {
        ticket: (stop) => api.publishTicket(show.id, { signal: stop }),
        look: (stop) => this.look(stop),
      },
      () => ({ video: this.capture.video.peek(), audio: this.capture.audio.peek() }),
      quality,
      () => this.capture.source.peek() !== "camera",
    );
    this.wanted = computed(() => {
      const { name } = this.publisher.phase.value;
      return name === "connecting" || name === "live" || name === "waiting" || name === "checking";
    });
    this.ended = computed(() => this.show.value.state === "ended" || this.publisher.phase.value.name === "over");
    this.tabs = new Tabs(
      show.id,
      () => this.wanted.peek(),
      () => this.publisher.yieldTo(),
    );
    this.release.push(effect(() => this.meter.watch(this.capture.audio.value)));
    this.release.push(
      effect(() => {
        if (!this.wanted.value) return;
        return guardLive(() => this.publisher.leavePage());
      }),
    );
    this.release.push(
      effect(() => {
        const { name } = this.publisher.phase.value;
        // Said only once it is true: a tab that fails to go live must not take another one off the air.
        if (name === "live") this.tabs.announce();
        if (name === "elsewhere" || name === "over" || name === "refused") markLive(null);
      }),
    );
    // Ended here or anywhere else: nobody's camera stays on for a show that is over.
    this.release.push(
      effect(() => {
        if (this.ended.value && !this.wanted.value) this.capture.close();
      }),
    );
    const online = (): void => this.publisher.nudge();
    window.addEventListener("online", online);
    this.release.push(() => window.removeEventListener("online", online));
  }

  /** Opens camera and microphone, and goes on by itself when this very tab was live before a reload. */
  async open(): Promise<void> {
    await this.capture.open();
    const { id, state } = this.show.peek();
    if (state !== "ended" && wasLive(id) && !(await this.tabs.anyone())) this.goLive();
  }

  /**
   * Of which moment viewers will take the picture that is being taken now, in ms of the server's clock: that is when it left
   * by the shortest way to the server. undefined: not known.
   */
  moment(): number | undefined {
    if (clockUncertainty() > SURE_MS) return undefined;
    return Math.floor(serverNow() + (this.publisher.line.peek().rttMs ?? 0) / 2);
  }

  goLive(): void {
    markLive(this.show.peek().id);
    this.publisher.start();
  }

  /** Off the air and the show is over. The picture leaves at once; only the ending may need a second try. */
  async end(): Promise<void> {
    if (this.ending.peek()) return;
    this.ending.value = true;
    this.endFailed.value = "";
    markLive(null);
    try {
      await this.publisher.stop();
      this.show.value = await api.endShow(this.show.peek().id);
    } catch (error) {
      this.endFailed.value = words(error);
    } finally {
      this.ending.value = false;
    }
  }

  close(): void {
    for (const undo of this.release.splice(0)) undo();
    this.tabs.close();
    this.meter.stop();
    this.picture.stop();
    void this.publisher.stop();
    this.capture.close();
  }

  private async look(stop: AbortSignal): Promise<"on_air" | "off_air" | "ended"> {
    const seen = await api.getShow(this.show.peek().id, { signal: stop });
    this.show.value = seen;
    if (seen.state === "ended") return "ended";
    return seen.on_air ? "on_air" : "off_air";
  }
}

/** `?quality=low` for this visit: small machines, thin lines, browser tests. */
export function chosenQuality(search: string): Quality {
  return new URLSearchParams(search).get("quality") === "low" ? LOW : STANDARD;
}
