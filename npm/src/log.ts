// Console lines about the work of this instance of the package.

import { kindOf } from "./bytes.js";
import { invalidArgument, listenToErrors } from "./errors.js";

/** Each level includes the lines of those before it. */
const LOG_LEVELS = ["none", "error", "warning", "info", "debug", "all"] as const;

/** How much is logged; see {@link setLogLevel}. */
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

/** One chunk in this many has a line. */
const CHUNKS_PER_LINE = 1024;

let current: LogLevel = "none";
let chunksWithout = 0;

/**
 * Logs to the console up to `level`. The initial level is `none`.
 *
 * | level | also logs |
 * |---|---|
 * | `warning` | `request_retried`: a request of an upload or download failed and is sent again |
 * | `info` | `upload_finished`, `download_finished`, with their counts |
 * | `debug` | `error_returned`: an error of this library was raised, with its `code` |
 * | `all` | `chunk_emitted`: the first chunk returned to the caller, then one in 1024 |
 *
 * The level applies to one page, worker or process; workers of a pool log nothing.
 *
 * @throws {ChunkerError} `invalid_argument` for any other level.
 */
export function setLogLevel(level: LogLevel): void {
  if (!LOG_LEVELS.includes(level)) {
    const given = typeof level === "string" ? JSON.stringify(level) : kindOf(level);
    throw invalidArgument(`unknown log level ${given} (expected ${LOG_LEVELS.join(", ")})`);
  }
  current = level;
  chunksWithout = 0;
  listenToErrors((code) => writeLine("debug", "error_returned", { code }));
}

/** Logs a line `chunker: name key=value …`, if `level` is enabled. */
export function writeLine(level: LogLevel, name: string, fields: Fields): void {
  const method = METHODS[level];
  if (method === undefined || LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(current)) return;
  console[method](lineOf(name, fields));
}

/** Returns the line `chunker: name key=value …`. */
export function lineOf(name: string, fields: Fields): string {
  const values = Object.entries(fields).map(([key, value]) => ` ${key}=${oneWord(value)}`);
  return `chunker: ${name}${values.join("")}`;
}

/** Quotes everything but words and numbers: a server may send any text as a code. */
function oneWord(value: string | number): string {
  const text = String(value);
  return /^[\w.-]+$/.test(text) ? text : JSON.stringify(text);
}

/** At level `all`, logs the first chunk and then every 1024th. */
export function writeChunk(hash: string, chunk: { offset: number; length: number }): void {
  if (current !== "all") return;
  if (chunksWithout === 0) {
    const { offset, length } = chunk;
    writeLine("all", "chunk_emitted", { offset, length, hash });
  }
  chunksWithout = (chunksWithout + 1) % CHUNKS_PER_LINE;
}
