// What a pool and its workers say to each other. A worker cuts runs: stretches of an input that are
// given to it from their start, in order.

import type { ByteArray } from "../bytes.js";
import { ChunkerError, type ChunkerErrorCode } from "../errors.js";

/** How a run is cut. */
export interface Cutting {
  /** The profile id. */
  readonly profile: string;
  /** Where the run begins in the input, in bytes. */
  readonly offset: number | undefined;
}

/** To a worker. Each request but `open` and `close` has one reply, in the order of the run. */
export type Request =
  /** Begins a run, of `blob` if the worker is to read it itself. */
  | { type: "open"; run: number; cutting: Cutting; blob: Blob | undefined }
  /** Cuts these bytes. */
  | { type: "feed"; run: number; bytes: ByteArray }
  /** Reads and cuts as many bytes of the blob. */
  | { type: "read"; run: number; length: number }
  /** Ends the input. */
  | { type: "finish"; run: number }
  /** Ends the run, wherever it is. */
  | { type: "close"; run: number };

/** What a worker is sent: first of all, the module. */
export type Order = { type: "load"; module: object } | Request;

/** What a worker of a page says first: its script is there. */
export const STARTED = "started";

/** From a worker. Nothing follows an error of a run. */
export type Reply =
  | {
      run: number;
      /** Bytes that were cut. */
      length: number;
      /** The module's records of the chunks that ended in them. */
      records: ByteArray[];
    }
  | { run: number; failure: Failure };

/** An error on its way between threads; a `ChunkerError` is no type that they know. */
export interface Failure {
  code: ChunkerErrorCode | undefined;
  message: string;
  /** The error itself, or its cause, as far as it can be cloned. */
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
