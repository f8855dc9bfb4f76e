// Messages between a pool and its workers. A worker cuts segments: stretches of an input, which it
// receives from start to end.

import type { ByteArray } from "../bytes.js";
import { ChunkerError, type ChunkerErrorCode } from "../errors.js";

/** How a segment is cut. */
export interface Cutting {
  /** The profile id. */
  readonly profile: string;
  /** Where the segment starts in the input, in bytes. */
  readonly offset: number | undefined;
}

/** To a worker. All but `open` and `close` are answered once, in order within a segment. */
export type Request =
  /** Starts a segment: of `blob`, if the worker is to read it itself. */
  | { type: "open"; segment: number; cutting: Cutting; blob: Blob | undefined }
  /** Cuts these bytes. */
  | { type: "feed"; segment: number; bytes: ByteArray }
  /** Reads and cuts `length` more bytes of the blob. */
  | { type: "read"; segment: number; length: number }
  /** Ends the input. */
  | { type: "finish"; segment: number }
  /** Drops the segment, wherever it is. */
  | { type: "close"; segment: number };

/** Everything sent to a worker; the module comes first. */
export type Order = { type: "load"; module: object } | Request;

/** The first message from a worker in a page: its script has loaded. */
export const STARTED = "started";

/** From a worker. A failure is the last reply of its segment. */
export type Reply =
  | {
      segment: number;
      /** Bytes that were cut. */
      length: number;
      /** The module's records of the chunks that ended in them. */
      records: ByteArray[];
    }
  | { segment: number; failure: Failure };

/** An error on its way between threads, where a `ChunkerError` would lose its class. */
export interface Failure {
  code: ChunkerErrorCode | undefined;
  message: string;
  /** The error itself, or the cause of a `ChunkerError`, as far as it can be cloned. */
  error: unknown;
}

export function packFailure(error: unknown): Failure {
  if (!(error instanceof ChunkerError)) {
    return { code: undefined, message: String(error), error: cloned(error) };
  }
  const { code, message, cause } = error;
  return { code, message, error: cloned(cause) };
}

export function unpackFailure({ code, message, error }: Failure): unknown {
  if (code === undefined) return error;
  return new ChunkerError(code, message, error === undefined ? {} : { cause: error });
}

function cloned(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return new Error(String(value));
  }
}
