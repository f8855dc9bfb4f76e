// A file drawn as rows of chunks, each as wide as it is long, coloured by its state.

import { STATES } from "./messages.js";

const ROW_HEIGHT = 13;
const ROW_GAP = 3;
/** Wider chunks are set apart by a gap. */
const MIN_WIDTH_WITH_GAP = 4;

const UNREAD = "--map-unread";
/** Colours, by the number of the state in STATES. */
const COLOURS = ["--map-found", "--map-known", "--map-known", "--map-sending", "--map-new"];
const FOUND = STATES.indexOf("found");
const SENT = STATES.indexOf("sent");
const SENDING = STATES.indexOf("sending");

export class ChunkMap {
  readonly #canvas: HTMLCanvasElement;
  readonly #size: number;
  /** Offset and length of every chunk, by index. */
  #extents = new Float64Array(2 * 1024);
  #states = new Uint8Array(1024);
  #count = 0;
  #width = 0;
  #rows = 0;
  #scale = 1;
  /** The state drawn at each pixel of each row, where several chunks may meet. */
  #drawn = new Uint8Array(0);
  #dirty: number[] = [];
  #frame = 0;
  readonly #resized = new ResizeObserver(() => this.#layOut());
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.#layOut();

  /** Draws on `canvas` a file of `size` bytes. */
  constructor(canvas: HTMLCanvasElement, size: number) {
    this.#canvas = canvas;
    this.#size = size;
    this.#resized.observe(canvas);
    this.#dark.addEventListener("change", this.#recolour);
  }

  /** Takes events as `messages.ts` packs them. */
  update(events: Float64Array): void {
    for (let at = 0; at < events.length; at += 4) {
      const index = events[at] as number;
      if (index >= this.#states.length) this.#grow(index);
      this.#extents[2 * index] = events[at + 1] as number;
      this.#extents[2 * index + 1] = events[at + 2] as number;
      this.#states[index] = events[at + 3] as number;
      this.#count = Math.max(this.#count, index + 1);
      this.#dirty.push(index);
    }
    this.#frame ||= requestAnimationFrame(() => this.#drawDirty());
  }

  /** Shows chunks whose sending was stopped as not yet sent. */
  stop(): void {
    for (let index = 0; index < this.#count; index += 1) {
      if (this.#states[index] === SENDING) this.#states[index] = FOUND;
    }
    this.#layOut();
  }

  /** Forgets all chunks. */
  clear(): void {
    this.#count = 0;
    this.#dirty = [];
    this.#layOut();
  }

  #grow(index: number): void {
    const states = new Uint8Array(2 * index);
    const extents = new Float64Array(4 * index);
    states.set(this.#states);
    extents.set(this.#extents);
    this.#states = states;
    this.#extents = extents;
  }

  /** Fits the canvas to its place and draws everything again. */
  #layOut(): void {
    const cssWidth = this.#canvas.clientWidth;
    if (cssWidth === 0) return;
    this.#scale = devicePixelRatio;
    this.#rows = cssWidth < 500 ? 8 : 5;
    this.#width = Math.round(cssWidth * this.#scale);
    const cssHeight = this.#rows * (ROW_HEIGHT + ROW_GAP) - ROW_GAP;
    this.#canvas.style.height = `${cssHeight}px`;
    this.#canvas.width = this.#width;
    this.#canvas.height = Math.round(cssHeight * this.#scale);
    this.#drawn = new Uint8Array(this.#width * this.#rows);
    this.#dirty = Array.from({ length: this.#count }, (_, index) => index);
    const context = this.#context();
    context.fillStyle = this.#colour(UNREAD);
    for (let row = 0; row < this.#rows; row += 1) this.#fill(context, row, 0, this.#width);
    this.#drawDirty();
  }

  #drawDirty(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#width === 0) return;
    const context = this.#context();
    const colours = COLOURS.map((name) => this.#colour(name));
    for (const index of this.#dirty) this.#draw(context, index, colours);
    this.#dirty = [];
  }

  #draw(context: CanvasRenderingContext2D, index: number, colours: readonly string[]): void {
    const offset = this.#extents[2 * index] as number;
    const length = this.#extents[2 * index + 1] as number;
    const state = this.#states[index] as number;
    const pixels = (this.#width * this.#rows) / this.#size;
    const start = Math.floor(offset * pixels);
    const end = Math.max(start + 1, Math.floor((offset + length) * pixels));
    // Where many chunks share a pixel, what was sent shows: it is what one looks for.
    if (end === start + 1 && this.#drawn[start] === SENT && state !== SENT) return;
    this.#drawn.fill(state, start, end);
    context.fillStyle = colours[state] as string;
    const gap = end - start >= MIN_WIDTH_WITH_GAP * this.#scale ? Math.round(this.#scale) : 0;
    for (let at = start; at < end; ) {
      const row = Math.floor(at / this.#width);
      const until = Math.min(end, (row + 1) * this.#width);
      const width = until - at - (until === end ? gap : 0);
      this.#fill(context, row, at - row * this.#width, width);
      at = until;
    }
  }

  #fill(context: CanvasRenderingContext2D, row: number, x: number, width: number): void {
    const top = Math.round(row * (ROW_HEIGHT + ROW_GAP) * this.#scale);
    context.fillRect(x, top, width, Math.round(ROW_HEIGHT * this.#scale));
  }

  #colour(name: string): string {
    // `light-dark()` is resolved by a real property, not by reading the custom one.
    this.#canvas.style.color = `var(${name})`;
    return getComputedStyle(this.#canvas).color;
  }

  #context(): CanvasRenderingContext2D {
    const context = this.#canvas.getContext("2d");
    if (context === null) throw new Error("this browser has no 2D canvas");
    return context;
  }
}
