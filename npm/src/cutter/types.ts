/** Finds the chunks of an input that arrives in pieces; returns records for `unpackChunks`. */
export interface Cutter {
  feed(piece: Uint8Array): Uint8Array;
  finish(): Uint8Array;
  free(): void;
}

/** An asynchronous {@link Cutter}. Await each call before the next, and do not change `piece` until then. */
export interface AsyncCutter {
  feed(piece: Uint8Array): Uint8Array | Promise<Uint8Array>;
  finish(): Uint8Array | Promise<Uint8Array>;
  free(): void;
}
