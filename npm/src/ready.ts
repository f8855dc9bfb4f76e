import { load } from "./load.js";

/**
 * Resolves when the WebAssembly module is loaded: at once in Node, where importing the package loads
 * it. May be called any number of times; after a failure the next call tries again.
 *
 * @throws {ChunkerError} `not_ready` when it cannot be loaded; `cause` says why.
 */
export function ready(): Promise<void> {
  return load();
}
