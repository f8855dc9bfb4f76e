// Files by path: only Node has them.

import type { ByteArray } from "./bytes.js";
import { invalidArgument } from "./errors.js";

/** Reads files. */
export interface Files {
  /** Returns the path of a file URL. */
  pathOf(url: URL): string;
  /** Yields the bytes of the file at `path`, in pieces valid until the next is requested. */
  pieces(path: string, signal: AbortSignal | undefined): AsyncGenerator<ByteArray, void, undefined>;
}

let reader: Files | undefined;

/** Sets how files are read. */
export function setFiles(files: Files): void {
  reader = files;
}

/** Whether `source` is the path or URL of a file. */
export function isFile(source: unknown): source is string | URL {
  return typeof source === "string" || Object.prototype.toString.call(source) === "[object URL]";
}

/** @throws {ChunkerError} `invalid_argument` outside Node, or if a URL is not a file URL. */
export function pathOf(source: string | URL): string {
  const files = reading(source);
  if (typeof source === "string") return source;
  try {
    return files.pathOf(source);
  } catch (cause) {
    throw invalidArgument(`source is ${source} (expected a file URL)`, { cause });
  }
}

/** Yields the bytes of a file. Errors are a `ChunkerError` `io_error`. */
export function filePieces(
  source: string | URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteArray, void, undefined> {
  return reading(source).pieces(pathOf(source), signal);
}

function reading(source: string | URL): Files {
  if (reader === undefined) {
    const kind = typeof source === "string" ? "a string" : "a URL";
    throw invalidArgument(`source is ${kind}, but only Node can read files by path`);
  }
  return reader;
}
