import { invalidArgument } from "./errors.js";
import { LOG_LEVELS, type LogLevel, setLevel } from "./lines.js";

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
  setLevel(level);
}
