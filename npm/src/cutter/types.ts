/** Finds the chunks of an input that arrives in pieces, as records (`unpackChunks` reads them). */
export interface Cutter {
  feed(piece: Uint8Array): Uint8Array;
  finish(): Uint8Array;
  free(): void;
}

/** The same. One call has to be over before the next, and `piece` is not to change before that. */
export interface AsyncCutter {
  feed(piece: Uint8Array): Uint8Array | Promise<Uint8Array>;
  finish(): Uint8Array | Promise<Uint8Array>;
  free(): void;
}
