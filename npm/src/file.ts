// Files by their paths: only Node has them.

import type { ByteArray } from "./bytes.js";
import { invalidArgument } from "./errors.js";

/** What reads files. */
export interface Files {
  /** Returns the path of a file's URL. */
  pathOf(url: URL): string;
  /** Yields the bytes of the file at `path`, in pieces that are valid until the next is asked for. */
  pieces(path: string, signal: AbortSignal | undefined): AsyncGenerator<ByteArray, void, undefined>;
}

let reader: Files | undefined;

/** Says how files are read. */
export function setFiles(files: Files): void {
  reader = files;
}

/** Whether `source` is the path or the URL of a file. */
export function isFile(source: unknown): source is string | URL {
  return typeof source === "string" || Object.prototype.toString.call(source) === "[object URL]";
}

/** @throws {ChunkerError} `invalid_argument` where there are no files, or for any other URL. */
export function pathOf(source: string | URL): string {
  const files = reading(source);
  if (typeof source === "string") return source;
  try {
    return files.pathOf(source);
  } catch (cause) {
    throw invalidArgument(`source is ${source}, not the URL of a file`, { cause });
  }
}

/** Yields the bytes of a file. Its errors are a `ChunkerError` `io_error`. */
export function filePieces(
  source: string | URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteArray, void, undefined> {
  return reading(source).pieces(pathOf(source), signal);
}

function reading(source: string | URL): Files {
  if (reader === undefined) {
    const kind = typeof source === "string" ? "a string" : "a URL";
    throw invalidArgument(`source is ${kind}, and only Node reads files by their paths`);
  }
  return reader;
}
