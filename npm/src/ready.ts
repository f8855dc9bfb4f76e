import { load } from "./load.js";
import { checkedOptions, type ReadyOptions } from "./options.js";

/**
 * Resolves when the WebAssembly module is loaded. In Node you need not wait for it. May be called any
 * number of times; a call after a failure tries again.
 *
 * @throws {ChunkerError} `not_ready` if it cannot be loaded (`cause` says why), or `invalid_argument`.
 */
export async function ready(options?: ReadyOptions): Promise<void> {
  const { module } = checkedOptions(options, ["module"]);
  await load(module);
}
