// What a server holds.

import { counted } from "../errors.js";
import { ChunkerError } from "../index.js";
import { checkedOptions, checkSignal } from "../options.js";
import { asDedupError } from "./error.js";
import { Requests, type RetryOptions } from "./retry.js";
import { checkTransport, type StoredFile, type Transport, type Usage } from "./transport.js";
import { checkedRoot } from "./wire.js";

/** Options of {@link listFiles}, {@link deleteFile} and {@link usage}. */
export interface FilesOptions {
  /** The connection to the server. */
  readonly transport: Transport;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryOptions | undefined;
}

const KEYS = ["transport", "signal", "retry"] as const;

/** Yields the server's files, ordered by root. */
export async function* listFiles(
  options: FilesOptions,
): AsyncGenerator<StoredFile, void, undefined> {
  let after: string | null | undefined;
  while (after !== null) {
    const start: string | undefined = after;
    const { files, next } = await asking(options, "listFiles", (transport, signal) =>
      transport.listFiles({ signal, after: start }),
    );
    yield* files;
    after = next;
  }
}

/** Deletes the file that `root` names; resolves with whether there was one. */
export async function deleteFile(root: string, options: FilesOptions): Promise<boolean> {
  checkedRoot(root);
  try {
    await asking(options, "deleteFile", (transport, signal) =>
      transport.deleteFile(root, { signal }),
    );
    return true;
  } catch (error) {
    if (asDedupError(error)?.code === "root_not_found") return false;
    throw error;
  }
}

/** Returns what the server's store holds. */
export async function usage(options: FilesOptions): Promise<Usage> {
  return asking(options, "usage", (transport, signal) => transport.usage({ signal }));
}

async function asking<T>(
  options: FilesOptions,
  request: "listFiles" | "deleteFile" | "usage",
  ask: (transport: Transport, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { transport, signal, retry } = checkedOptions(options, KEYS);
  checkTransport(transport, request);
  checkSignal(signal);
  const requests = new Requests(retry);
  const onAbort = () =>
    requests.stop(new ChunkerError("aborted", "the request was aborted by its signal"));
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await requests.run((signal) => ask(transport, signal));
  } catch (error) {
    throw counted(error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
