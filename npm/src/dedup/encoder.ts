import { invalidArgument } from "../errors.js";
import { loadCodecs } from "./codecs.js";
import { DedupError } from "./error.js";
import type { ChunkEncoding } from "./protocol.js";
import type { ChunkBody } from "./transport.js";

/** Of the levels above it, some ask for a larger window than a server may have. */
const MAX_LEVEL = 19;
/** RFC 9110, §15.5.16. */
const UNSUPPORTED_MEDIA_TYPE = 415;

/** Turns chunks into the bodies that carry them: compressed where that is wanted, taken, and pays. */
export class ChunkEncoder {
  readonly #encoding: ChunkEncoding | undefined;
  readonly #level: number | undefined;
  /** Whether the server's last answer lists the encoding. */
  #announced = false;
  /** Whether a server that took the encoding, or one behind the same address, has refused it. */
  #refused = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(encoding: ChunkEncoding | undefined, level: number | undefined) {
    if (encoding !== undefined && encoding !== "zstd") {
      throw invalidArgument(`compression must be "zstd", not ${encoding}`);
    }
    if (level !== undefined) {
      if (encoding === undefined) {
        throw invalidArgument("compressionLevel needs a compression");
      }
      if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) {
        throw invalidArgument(
          `compressionLevel must be an integer from 1 to ${MAX_LEVEL}, not ${level}`,
        );
      }
    }
    this.#encoding = encoding;
    this.#level = level;
  }

  /** Takes note of what the server accepts. */
  announced(encodings: readonly string[] = []): void {
    this.#announced = this.#encoding !== undefined && encodings.includes(this.#encoding);
  }

  /**
   * Has `payload` sent by `put`, compressed if that makes it smaller; returns the bytes of the body
   * that was taken.
   */
  async send(payload: Uint8Array, put: (body: ChunkBody) => Promise<void>): Promise<number> {
    const { length } = payload;
    const compressed = await this.#compressed(payload);
    if (compressed !== undefined) {
      try {
        await put({ bytes: compressed, length, encoding: this.#encoding });
        return compressed.length;
      } catch (error) {
        if (!(error instanceof DedupError) || error.status !== UNSUPPORTED_MEDIA_TYPE) throw error;
        this.#refused = true;
      }
    }
    await put({ bytes: payload, length, encoding: undefined });
    return length;
  }

  async #compressed(payload: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#encoding === undefined || !this.#announced || this.#refused) return;
    const { compressAdaptive } = await loadCodecs();
    const { compressed, data } = await compressAdaptive(this.#encoding, payload, {
      level: this.#level,
    });
    return compressed ? data : undefined;
  }
}
