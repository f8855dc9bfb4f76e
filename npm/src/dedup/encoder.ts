import type { ByteArray } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { checkInteger } from "../options.js";
import { type Codecs, loadCodecs } from "./codecs.js";
import type { ChunkEncoding } from "./upload-options.js";

/** Some higher levels need a larger window than a server may allow. */
const MAX_LEVEL = 19;

/** Compresses chunks if that is requested, possible and worthwhile. */
export class ChunkEncoder {
  readonly #encoding: ChunkEncoding | undefined;
  readonly #level: number | undefined;
  #codecs: Promise<Codecs | undefined> | undefined;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(encoding: ChunkEncoding | undefined, level: number | undefined) {
    if (encoding !== undefined && encoding !== "zstd") {
      throw invalidArgument(`compression is ${encoding} (expected "zstd")`);
    }
    if (level !== undefined) {
      if (encoding === undefined) {
        throw invalidArgument("compressionLevel is given without compression");
      }
      checkInteger("compressionLevel", level, 1, MAX_LEVEL);
    }
    this.#encoding = encoding;
    this.#level = level;
  }

  get isOn(): boolean {
    return this.#encoding !== undefined;
  }

  /** Returns `payload` compressed, or unchanged if that is not longer. */
  async encode(payload: ByteArray): Promise<ByteArray> {
    if (this.#encoding === undefined) return payload;
    this.#codecs ??= loadCodecs().catch(() => undefined);
    const codecs = await this.#codecs;
    if (codecs === undefined) return payload;
    const { compressed, data } = await codecs.compressAdaptive(this.#encoding, payload, {
      level: this.#level,
    });
    return compressed ? (data as ByteArray) : payload;
  }
}
