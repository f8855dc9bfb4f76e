// `chunker-cdc/debug`: shows what this package does, as measures of User Timing and as lines on the console.

import { kindOf } from "../bytes.js";
import { ChunkerError, counted, invalidArgument } from "../errors.js";
import { use } from "../load.js";
import { lineOf } from "../log.js";
import { checkedOptions } from "../options.js";
import { type EndSpan, listenToSpans, type SpanFields, type SpanLevel } from "../spans.js";
import { core, load } from "./load.js";

/** Each level includes what those before it show. */
const DEBUG_LEVELS = ["off", "info", "debug", "trace"] as const;

/** How much {@link debug} shows. */
export type DebugLevel = (typeof DEBUG_LEVELS)[number];

/** Options of {@link debug}. */
export interface DebugOptions {
  /** Default: `trace`. */
  level?: DebugLevel | undefined;
  /** Whether to write lines to the console too. Default: `true`. */
  console?: boolean | undefined;
}

/** Where Chromium's Performance panel shows the measures. */
const TRACK = { dataType: "track-entry", track: "chunker-cdc" };

let prepare: () => Promise<void> = async () => {};

/** Sets what to do before the debug module replaces the default one: at each call of {@link debug}. */
export function setPreparation(to: () => Promise<void>): void {
  prepare = to;
}

/**
 * Shows what this package does from now on, as measures of User Timing: they appear in the browser's
 * Performance panel and in `performance.getEntriesByType("measure")`. Each call replaces the level and the
 * options of the one before.
 *
 * | level | also shows |
 * |---|---|
 * | `off` | nothing |
 * | `info` | `upload` and `download`, with their counts |
 * | `debug` | each of their requests, such as `POST /v1/packs/sha256` |
 * | `trace` | `fastcdc`, each search for a cut; `hashing`, each digest or part of one; and the event `chunk_emitted` for the first chunk, then one in 1024 |
 *
 * The first call loads another build of the WebAssembly module, 54 KB with brotli, which needs SIMD. Later
 * calls and new objects use it; in Node.js, it also replaces the native addon, except in `chunker-cdc/codecs`.
 * Applies to one page, worker or process: workers of a pool and threads show nothing.
 *
 * The platform keeps every measure until `performance.clearMarks()` and `performance.clearMeasures()`.
 *
 * @throws {ChunkerError} `not_ready` if the module cannot be loaded, `invalid_environment` without User
 * Timing, or `invalid_argument`.
 */
export async function debug(options?: DebugOptions): Promise<void> {
  const { level = "trace", console = true } = checkedOptions(options, ["level", "console"]);
  if (!DEBUG_LEVELS.includes(level)) {
    const given = typeof level === "string" ? JSON.stringify(level) : kindOf(level);
    throw invalidArgument(`unknown debug level ${given} (expected ${DEBUG_LEVELS.join(", ")})`);
  }
  if (typeof console !== "boolean") {
    throw invalidArgument(`console is ${kindOf(console)} (expected a boolean)`);
  }
  if (typeof globalThis.performance?.measure !== "function") {
    throw counted(new ChunkerError("invalid_environment", "performance.measure is missing"));
  }
  await Promise.all([load(), prepare()]);
  const module = core();
  module.setDebug(level, console);
  use(module);
  const shown = DEBUG_LEVELS.indexOf(level);
  listenToSpans((of, name, fields) =>
    DEBUG_LEVELS.indexOf(of) > shown ? undefined : begin(of, name, fields, console),
  );
}

function begin(level: SpanLevel, name: string, first: SpanFields, console: boolean): EndSpan {
  const start = performance.now();
  return (last = {}) => {
    const end = performance.now();
    const fields = { ...first, ...last };
    const devtools = { ...TRACK, properties: Object.entries(fields) };
    performance.measure(`chunker: ${name}`, { start, end, detail: { ...fields, devtools } });
    if (!console) return;
    const ms = Number((end - start).toFixed(3));
    globalThis.console[level === "info" ? "info" : "debug"](lineOf(name, { ms, ...fields }));
  };
}
