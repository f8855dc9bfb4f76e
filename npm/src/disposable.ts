/// <reference lib="esnext.disposable" preserve="true" />
import { ChunkerError, counted } from "./errors.js";

/** An object of the WebAssembly module. */
export interface Handle {
  free(): void;
}

/** Owns a handle until it is released; a handle that is forgotten is freed by the garbage collector. */
export class Owned<H extends Handle> {
  #handle: H | undefined;

  constructor(handle: H) {
    this.#handle = handle;
  }

  /** @throws {ChunkerError} `chunker_closed` after {@link release}. */
  get(): H {
    if (this.#handle === undefined) {
      throw counted(
        new ChunkerError("chunker_closed", "used after it was finished or disposed of"),
      );
    }
    return this.#handle;
  }

  release(): void {
    this.#handle?.free();
    this.#handle = undefined;
  }
}
