import { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { nextPiece, type Pieces } from "./addon.js";
import { LATE, within } from "./patience.js";

/** Bytes that a slow reader must take to make progress. A fast reader gets larger slices. */
const SLICE = 64 * 1024;
const LARGEST_SLICE = 1024 * 1024;
/** A reader is fast if it takes a slice within this part of its time limit. */
const FAST = 1 / 32;

/** Writes the body of an answer as fast as its reader takes it, as long as the reader makes progress. */
export class BodyWriter {
  readonly #response: ServerResponse;
  readonly #stallTimeoutMs: number;
  #slice = SLICE;

  constructor(response: ServerResponse, stallTimeoutMs: number) {
    this.#response = response;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  async writeAll(pieces: Pieces): Promise<void> {
    let room: ArrayBuffer | undefined;
    for (;;) {
      const piece = await nextPiece(pieces, room);
      if (piece === null) return;
      const isWritten = await this.write(piece);
      room = isWritten && this.#isDirect ? piece.buffer : undefined;
    }
  }

  /**
   * Whether written bytes went straight to a socket of Node's. Middleware may keep what passes through it, and other
   * sockets may keep what they are given.
   */
  get #isDirect(): boolean {
    const { write, socket } = this.#response;
    return write === ServerResponse.prototype.write && socket instanceof Socket;
  }

  /**
   * Writes bytes, and waits until the reader has taken them, or there is room for more. Returns whether all have
   * been written.
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    let unwritten = 0;
    const onWritten = () => {
      unwritten -= 1;
    };
    for (let at = 0; at < bytes.length; ) {
      const slice = bytes.subarray(at, at + this.#slice);
      const began = performance.now();
      unwritten += 1;
      await this.#settled("drain", () => this.#response.write(slice, onWritten));
      const isFast = performance.now() - began < FAST * this.#stallTimeoutMs;
      at += slice.length;
      this.#slice = isFast ? Math.min(2 * this.#slice, LARGEST_SLICE) : SLICE;
    }
    return unwritten === 0;
  }

  /** Ends the answer, and waits until all of it is written. */
  async end(): Promise<void> {
    await this.#settled("finish", () => this.#response.end());
  }

  /** Calls `act`, and waits for the event that follows unless it returns `true`. */
  async #settled(event: string, act: () => unknown): Promise<void> {
    const response = this.#response;
    let settle = () => {};
    const happened = new Promise<void>((resolve) => {
      settle = resolve;
    });
    if (response.destroyed) throw closed(); // no "close" will follow
    response.once(event, settle).once("close", settle);
    try {
      if (act() === true) return;
      if ((await within(this.#stallTimeoutMs, happened)) === LATE) {
        response.destroy();
        throw new Error(`the answer was not read for ${this.#stallTimeoutMs} ms`);
      }
      if (response.destroyed && !response.writableFinished) throw closed();
    } finally {
      response.off(event, settle).off("close", settle);
    }
  }
}

function closed(): Error {
  return new Error("the client closed the connection");
}
