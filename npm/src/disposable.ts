/// <reference lib="esnext.disposable" preserve="true" />
import { ChunkerError, counted } from "./errors.js";

/** An object in the WebAssembly module or the addon. */
export interface Handle {
  free(): void;
}

/** Owns a handle until it is released. The garbage collector frees forgotten handles. */
export class Owned<H extends Handle> {
  #handle: H | undefined;

  constructor(handle: H) {
    this.#handle = handle;
  }

  /** @throws {ChunkerError} `chunker_closed` after {@link release}. */
  get(): H {
    if (this.#handle === undefined) {
      throw counted(
        new ChunkerError("chunker_closed", "the object was already finished or disposed of"),
      );
    }
    return this.#handle;
  }

  release(): void {
    this.#handle?.free();
    this.#handle = undefined;
  }
}
