import { checkedOptions, type ReadyOptions } from "../options.js";
import { load } from "./load.js";

/**
 * Resolves when the WebAssembly module of the codecs is loaded, which in Node nothing has to wait for.
 * May be called any number of times; after a failure the next call tries again.
 *
 * @throws {ChunkerError} `not_ready` when it cannot be loaded; `cause` says why. `invalid_argument`.
 */
export async function ready(options?: ReadyOptions): Promise<void> {
  const { module } = checkedOptions(options, ["module"]);
  await load(module);
}
