// The file of a download, as the server has it.

import { isEqual, totalLength } from "../bytes.js";
import { type Chunk, ChunkerError, Manifest, ready } from "../index.js";
import type { DownloadTotals, TransferCounts } from "../metrics.js";
import { ahead } from "./ahead.js";
import type { Arrival } from "./arrivals.js";
import { type Codecs, loadCodecs } from "./codecs.js";
import { DEFAULT_MAX_MANIFEST_BYTES, type DownloadOptions } from "./download-options.js";
import { distinct } from "./download-plan.js";
import { asDedupError, DedupError } from "./error.js";
import { ByteReader, readPack, type Stretch } from "./pack-reader.js";
import { orReason, type Requests } from "./retry.js";
import type { Transport } from "./transport.js";
import { type VerifiedStretch, verifiedStretch } from "./verified-stretch.js";
import { DIGEST_BYTES, HEAD_BYTES, parseDownloadHead, type Root } from "./wire.js";

/** An answer that is being read. */
interface Answer {
  readonly reader: ByteReader;
  readonly end: () => void;
}

/** An answer whose manifest was read; its chunks follow. */
export interface Opened extends Answer {
  readonly manifest: Manifest;
}

/** Limit for bytes verified or held for the consumer while others arrive. A single chunk may exceed it. */
const BYTES_AHEAD = 4 * 1024 * 1024;

/** Requests the manifest and the chunks of a file, and verifies them. */
export class RemoteFile {
  readonly #name: string;
  readonly #root: Root;
  readonly #options: DownloadOptions;
  readonly #transport: Transport;
  readonly #requests: Requests;
  readonly #counts: TransferCounts<DownloadTotals>;
  /** Settles when the module is loaded, which a manifest needs. */
  #ready: Promise<void> | undefined;
  #codecs: Codecs | undefined;
  #readDigests: number | undefined;

  constructor(
    name: string,
    root: Root,
    options: DownloadOptions,
    requests: Requests,
    counts: TransferCounts<DownloadTotals>,
  ) {
    this.#name = name;
    this.#root = root;
    this.#options = options;
    this.#transport = options.transport;
    this.#requests = requests;
    this.#counts = counts;
  }

  /** Loads what the other methods need. */
  async load(): Promise<void> {
    this.#ready = ready();
    this.#ready.catch(() => {}); // reported once the manifest arrives
    if (this.#options.compression === undefined) return;
    this.#codecs = await loadCodecs().catch(() => undefined);
  }

  /** Requests the manifest alone. */
  async manifest(): Promise<Manifest> {
    const maxBytes = this.#maxManifestBytes;
    const bytes = await this.#requests.run((signal) =>
      this.#transport.getManifest(this.#name, { signal, maxBytes }),
    );
    return this.#verified(bytes);
  }

  /** Requests the manifest and the chunks in one answer; returns once the manifest is verified. */
  async open(): Promise<Opened> {
    let isVerified = false;
    for (const attempts = this.#requests.attempts(); ; ) {
      let answer: Answer | undefined;
      try {
        answer = await this.#requestFile(isVerified);
        return { ...answer, manifest: await this.#manifestIn(answer) };
      } catch (error) {
        answer?.end();
        this.#requests.throwIfStopped();
        await attempts.failed(error);
        // If the server cannot send its copy of a chunk, it may have another one.
        isVerified ||= answer !== undefined || asDedupError(error)?.code === "chunk_damaged";
      }
    }
  }

  /**
   * Yields `chunks`, verified: first those of `opened`, then the rest, in as few requests as the server allows.
   */
  async *chunks(
    chunks: readonly Chunk[],
    opened?: Opened,
  ): AsyncGenerator<Arrival, void, undefined> {
    const attempts = this.#requests.attempts();
    let isVerified = false;
    let isFirst = opened !== undefined;
    for (let next = 0; next < chunks.length || isFirst; ) {
      const answer = isFirst ? opened : undefined;
      isFirst = false;
      const most = answer === undefined ? await this.mostDigests() : Number.POSITIVE_INFINITY;
      const batch = distinct(chunks, next, most);
      const first = next;
      let isWrong = false;
      try {
        const arriving = this.#request(batch, isVerified, answer);
        for await (const { failure, bytesOnWire, ...arrival } of arriving) {
          if (arrival.chunks.length > 0) {
            this.#counts.add({ bytesOnWire });
            attempts.succeeded();
            next += arrival.chunks.length;
            yield arrival;
          }
          if (failure === undefined) continue;
          // The server did not notice that a chunk is wrong; it will if it verifies the digest.
          isWrong = !isVerified && asDedupError(failure) === undefined;
          throw failure;
        }
      } catch (error) {
        this.#requests.throwIfStopped();
        if (!isWrong) await attempts.failed(error);
        // If the server cannot send its copy of a chunk, it may have another one.
        isVerified = isWrong || next === first;
      }
    }
  }

  /** Returns how many chunks one request may ask for. */
  async mostDigests(): Promise<number> {
    this.#readDigests ??= (
      await this.#requests.run((signal) => this.#transport.limits({ signal }))
    ).readDigests;
    return this.#readDigests;
  }

  #requestFile(isVerified: boolean): Promise<Answer> {
    const { range = {} } = this.#options;
    const form = this.#form(isVerified);
    return this.#begin((signal) =>
      this.#transport.readFile(this.#name, { signal, range, ...form }),
    );
  }

  async #manifestIn({ reader }: Answer): Promise<Manifest> {
    const length = parseDownloadHead(await reader.take(HEAD_BYTES));
    const most = this.#maxManifestBytes;
    if (length > most) {
      throw new ChunkerError(
        "manifest_too_large",
        `manifest is ${length} bytes long, above the limit of ${most}`,
      );
    }
    return this.#verified(await reader.take(length));
  }

  get #maxManifestBytes(): number {
    return this.#options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES;
  }

  async #verified(bytes: Uint8Array): Promise<Manifest> {
    await this.#ready;
    const maxBytes = this.#maxManifestBytes;
    const manifest = Manifest.parse(bytes, { maxBytes });
    const { hash, digest } = this.#root;
    if (manifest.hash !== hash || !isEqual(manifest.rootDigest, digest)) {
      throw new DedupError(
        "digest_mismatch",
        `the server sent a manifest other than ${this.#name}`,
      );
    }
    return manifest;
  }

  /** Yields the chunks of one request, verified while others arrive. */
  async *#request(
    batch: readonly Chunk[],
    isVerified: boolean,
    opened: Opened | undefined,
  ): AsyncGenerator<VerifiedStretch, void, undefined> {
    const { reader, end } = opened ?? (await this.#requestChunks(batch, isVerified));
    let next = 0;
    try {
      const stretches = readPack(reader, batch, opened?.manifest.chunks.length);
      const lengthOf = ({ rows }: Stretch) => totalLength(rows);
      yield* ahead(stretches, BYTES_AHEAD, lengthOf, (stretch) => {
        const chunks = batch.slice(next, next + stretch.rows.length);
        next += chunks.length;
        const codecs = isVerified ? undefined : this.#codecs;
        return verifiedStretch(this.#root.hash, stretch, chunks, codecs);
      });
    } finally {
      end();
    }
  }

  #requestChunks(batch: readonly Chunk[], isVerified: boolean): Promise<Answer> {
    const digests = new Uint8Array(DIGEST_BYTES * batch.length);
    for (const [at, { hash }] of batch.entries()) digests.set(hash, DIGEST_BYTES * at);
    const { hash } = this.#root;
    const form = this.#form(isVerified);
    return this.#begin((signal) => this.#transport.readChunks(hash, digests, { signal, ...form }));
  }

  /** Sends a request, and returns its answer, which ends when the download ends if not before. */
  async #begin(send: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>): Promise<Answer> {
    const { signal: outer } = this.#requests;
    const request = new AbortController();
    const onStop = () => request.abort(outer.reason);
    if (outer.aborted) onStop();
    outer.addEventListener("abort", onStop, { once: true });
    let reader: ByteReader | undefined;
    const end = () => {
      outer.removeEventListener("abort", onStop);
      request.abort(new ChunkerError("aborted", "the answer was not read to the end"));
      reader?.end();
    };
    try {
      reader = new ByteReader(await orReason(send(request.signal), request.signal), request.signal);
      return { reader, end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Returns how to ask for chunks: fast, or verified by the server. */
  #form(isVerified: boolean): { readonly encoding?: "zstd"; readonly verify?: "digest" } {
    if (isVerified) return { verify: "digest" };
    return this.#codecs === undefined ? {} : { encoding: "zstd" };
  }
}
