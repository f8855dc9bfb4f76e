// Laws of the threads that hold in Node and in pages, beside those of the pool.

import type * as Api from "chunker-cdc";
import type { ChunkerPool } from "chunker-cdc/pool";
import type { ThreadedChunker } from "chunker-cdc/threads";
import { bytesOf, splitMix64 } from "../inputs.js";
import { POOL_LAWS } from "../pool/laws.js";

type Law = (api: typeof Api, Threaded: typeof ThreadedChunker) => Promise<void>;

const MIB = 1024 * 1024;

/** The laws of the pool: a pool of so many workers is a module of so many threads. */
const OF_THE_POOL: [string, Law][] = Object.entries(POOL_LAWS).map(([name, law]) => [
  name,
  (api, Threaded) => {
    class Pool extends Threaded {
      constructor({ workers }: { workers: number }) {
        super({ threads: workers });
      }
    }
    return law(api, Pool as unknown as typeof ChunkerPool);
  },
]);

export const THREADS_LAWS: Record<string, Law> = {
  ...Object.fromEntries(OF_THE_POOL),

  async an_input_of_many_windows_has_the_chunks_of_one_thread(api, Threaded) {
    await using chunker = new Threaded({ threads: 2 });
    const options = { profile: { minSize: 12_288, avgSize: 100_002, maxSize: 1_500_000 } };
    const part = splitMix64(2, 5 * MIB);
    const data = new Uint8Array(115 * MIB + 1);
    for (let at = 0; at + part.length <= data.length; at += part.length) data.set(part, at);
    equal(await chunker.chunk(data, options), await api.chunk(data, options));
  },

  async chunks_that_are_longer_than_what_is_held_are_found(api, Threaded) {
    await using chunker = new Threaded({ threads: 2 });
    const profile = { minSize: 64, avgSize: 256, maxSize: 40 * MIB, hash: "blake3" } as const;
    const data = bytesOf({
      kind: "concat",
      parts: [
        { kind: "constant", byte: 0, length: 90 * MIB },
        { kind: "random", seed: 1, length: 2 * MIB },
      ],
    });
    const found = await chunker.chunk(data, { profile });
    const wanted = await api.chunk(data, { profile });
    if (wanted[1]?.length !== profile.maxSize) throw new Error("the chunks are short");
    equal(found, wanted);
  },
};

function equal(found: readonly Api.Chunk[], wanted: readonly Api.Chunk[]): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error("the chunks differ");
}
