import { counted, invalidArgument } from "../errors.js";
import { type Chunk, ChunkerError, Manifest } from "../index.js";
import { writeLine } from "../lines.js";
import { downloadCounts } from "../metrics.js";
import { checkedOptions } from "../options.js";
import { DedupError } from "./error.js";
import { isDigest } from "./protocol.js";
import { Requests, type RetryOptions } from "./retry.js";
import type { Transport } from "./transport.js";

/** How {@link download} works. */
export interface DownloadOptions {
  /** The way to the server. */
  readonly transport: Transport;
  /** Chunks fetched ahead of the consumer. Default 4. */
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** The largest manifest accepted, in bytes. Default: the package's limit. */
  readonly maxManifestBytes?: number | undefined;
}

/** Where a download stands. */
export interface DownloadProgress {
  readonly bytesReceived: number;
  readonly totalBytes: number;
}

const DOWNLOAD_KEYS = [
  "transport",
  "concurrency",
  "signal",
  "onProgress",
  "retry",
  "maxManifestBytes",
] as const;
const DEFAULT_CONCURRENCY = 4;

/**
 * Yields the bytes of the file whose manifest has the root digest `rootDigest`, in order, one chunk
 * at a time.
 *
 * The manifest is checked against `rootDigest` and each chunk against the manifest before it is
 * yielded, so when the iteration ends the whole is what was committed, whatever the server sent.
 *
 * Throws a `ChunkerError` (`aborted`, `chunk_digest_mismatch`, `chunk_length_mismatch`,
 * `invalid_manifest`, …) or a {@link DedupError}.
 */
export async function* download(
  rootDigest: string,
  options: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkedOptions(options, DOWNLOAD_KEYS);
  const { transport, retry, signal, onProgress, concurrency = DEFAULT_CONCURRENCY } = options;
  const counts = downloadCounts();
  const requests = new Requests(retry, () => counts.add({ retries: 1 }));
  const onAbort = () => requests.stop(new ChunkerError("aborted", "the download was aborted"));
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  let manifest: Manifest | undefined;
  try {
    const fetched = await fetchManifest(rootDigest, options, requests);
    manifest = fetched;
    const { chunks, hash, totalLength: totalBytes } = fetched;
    const fetchChunk = (index: number): Promise<Uint8Array> => {
      const digest = (chunks[index] as Chunk).hashHex;
      return requests.run((signal) => transport.getChunk(hash, digest, { signal }));
    };
    const ahead: Promise<Uint8Array>[] = [];
    let next = 0;
    for (let index = 0; index < chunks.length; index += 1) {
      for (; next < Math.min(chunks.length, index + concurrency); next += 1) {
        const fetching = fetchChunk(next);
        // It is awaited in its turn; until then its failure is not unhandled.
        fetching.catch(() => {});
        ahead.push(fetching);
      }
      const payload = await (ahead.shift() as Promise<Uint8Array>);
      requests.throwIfStopped();
      fetched.verifyChunk(index, payload);
      counts.add({ bytesReceived: payload.length, chunks: 1 });
      onProgress?.({ bytesReceived: counts.own.bytesReceived, totalBytes });
      yield payload;
    }
    writeLine("info", "download_finished", counts.own);
  } catch (error) {
    throw counted(error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    // Ends what was fetched ahead when the consumer stops early.
    requests.stop(new ChunkerError("aborted", "the download was not read to its end"));
    manifest?.[Symbol.dispose]();
  }
}

async function fetchManifest(
  rootDigest: string,
  { transport, maxManifestBytes }: DownloadOptions,
  requests: Requests,
): Promise<Manifest> {
  if (!isDigest(rootDigest)) {
    throw invalidArgument("a root digest is 64 lowercase hexadecimal digits");
  }
  const bytes = await requests.run((signal) => transport.getManifest(rootDigest, { signal }));
  const limit = maxManifestBytes === undefined ? {} : { maxBytes: maxManifestBytes };
  const manifest = Manifest.parse(bytes, limit);
  if (manifest.rootDigestHex !== rootDigest) {
    throw new DedupError("digest_mismatch", "the manifest received is not the one asked for");
  }
  return manifest;
}
