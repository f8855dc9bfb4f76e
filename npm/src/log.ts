// Console lines about the work of this instance of the package.

import { invalidArgument, listenToErrors } from "./errors.js";

/** Each level includes the lines of those before it. */
const LOG_LEVELS = ["none", "error", "warning", "info", "debug", "all"] as const;

/** What of the package's work is told; see {@link setLogLevel}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

type Fields = Readonly<Record<string, string | number>>;

const METHODS = {
  none: undefined,
  error: "error",
  warning: "warn",
  info: "info",
  debug: "debug",
  all: "debug",
} as const;

/** Of this many chunks one has a line. */
const CHUNKS_PER_LINE = 1024;

let current: LogLevel = "none";
let chunksWithout = 0;

/**
 * Lets lines about the package's work up to `level` go to the console; at first it is `none`.
 *
 * | level | lines besides those above |
 * |---|---|
 * | `warning` | `request_retried`: a request of an upload or a download failed and is sent again |
 * | `info` | `upload_finished`, `download_finished`, with what they counted |
 * | `debug` | `error_returned`: an error of this library was raised, with its `code` |
 * | `all` | `chunk_emitted`: the first chunk that the caller was given, and one of 1024 |
 *
 * It is the level of one page, worker or process; workers of a pool write nothing.
 *
 * @throws {ChunkerError} `invalid_argument` for any other level.
 */
export function setLogLevel(level: LogLevel): void {
  if (!LOG_LEVELS.includes(level)) {
    throw invalidArgument(`level is none of ${LOG_LEVELS.join(", ")}`);
  }
  current = level;
  chunksWithout = 0;
  listenToErrors((code) => writeLine("debug", "error_returned", { code }));
}

/** Writes a line of `level`, if it is wanted: `chunker: name key=value …`. */
export function writeLine(level: LogLevel, name: string, fields: Fields): void {
  const method = METHODS[level];
  if (method === undefined || LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(current)) return;
  const values = Object.entries(fields).map(([key, value]) => ` ${key}=${oneWord(value)}`);
  console[method](`chunker: ${name}${values.join("")}`);
}

/** Quotes what is no word or number: codes of a server may be any text. */
function oneWord(value: string | number): string {
  const text = String(value);
  return /^[\w.-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Writes a line for the first chunk at the level `all`, and then for every 1024th. */
export function writeChunk(hash: string, chunk: { offset: number; length: number }): void {
  if (current !== "all") return;
  if (chunksWithout === 0) {
    const { offset, length } = chunk;
    writeLine("all", "chunk_emitted", { offset, length, hash });
  }
  chunksWithout = (chunksWithout + 1) % CHUNKS_PER_LINE;
}
