// Laws of the pool that hold in Node and in pages: every function throws when its law is broken.

import type * as Api from "chunker-cdc";
import type { ChunkerPool } from "chunker-cdc/pool";
import { bytesOf, type Input, splitMix64 } from "../inputs.js";
import { byteStream, defaultStream, iterable, piecesOf } from "../laws.js";

type Law = (api: typeof Api, Pool: typeof ChunkerPool) => Promise<void>;

const MIB = 1024 * 1024;
/** Inputs are divided at multiples of 1 MiB. */
const FINE = {
  profile: { minSize: 1024, avgSize: 4096, maxSize: 16_384, hash: "blake3" },
} as const;
/** No power of two; divided at multiples of 1,500,000. */
const MEDIUM = { profile: { minSize: 12_288, avgSize: 100_002, maxSize: 1_500_000 } } as const;

const hex = (text: string) => Array.from(text, (c) => c.charCodeAt(0).toString(16)).join("");

const INPUTS: Record<string, Input> = {
  random: { kind: "random", seed: 1, length: 5 * MIB },
  text: { kind: "text", seed: 2, length: 5 * MIB },
  "one byte": { kind: "constant", byte: 0x3f, length: 5 * MIB },
  "zeros that do not begin at a cut": {
    kind: "concat",
    parts: [
      { kind: "random", seed: 3, length: 99_999 },
      { kind: "constant", byte: 0, length: 5 * MIB },
    ],
  },
  "a short period": { kind: "periodic", hex: hex("period"), length: 5 * MIB },
  "a long period": { kind: "periodic", hex: hex("0123456789abcdef".repeat(99)), length: 5 * MIB },
  "few cuts": { kind: "sparse", seed: 4, every: 5000, length: 5 * MIB },
  "periods between random bytes": {
    kind: "concat",
    parts: [
      { kind: "random", seed: 5, length: 1_400_000 },
      { kind: "constant", byte: 1, length: 1_300_001 },
      { kind: "random", seed: 6, length: 1_200_000 },
      { kind: "periodic", hex: "000102", length: 1_100_000 },
    ],
  },
};

export const POOL_LAWS: Record<string, Law> = {
  async any_number_of_workers_finds_the_chunks_of_one_thread(api, Pool) {
    const pools = [1, 2, 3, 4].map((workers) => new Pool({ workers }));
    for (const [name, input] of Object.entries(INPUTS)) {
      const data = bytesOf(input);
      for (const options of [FINE, MEDIUM]) {
        const wanted = await api.chunk(data, options);
        for (const [index, pool] of pools.entries()) {
          const found = await pool.chunk(data, options);
          equal(found, wanted, `${name}, ${index + 1} workers, average ${options.profile.avgSize}`);
        }
      }
    }
    for (const pool of pools) await pool.close();
  },

  async sizes_around_the_edges_of_segments(api, Pool) {
    const pool = new Pool({ workers: 2 });
    const data = splitMix64(7, 3 * MIB + 1);
    const edges = [0, FINE.profile.minSize, MIB, MIB + MIB / 4, 2 * MIB, 3 * MIB];
    for (const length of edges.flatMap((edge) => [edge - 1, edge, edge + 1])) {
      if (length < 0) continue;
      const input = data.subarray(0, length);
      const wanted = await api.chunk(input, FINE);
      equal(await pool.chunk(input, FINE), wanted, `${length} bytes`);
      const blob = await collected(pool.chunks(new Blob([input]), FINE));
      equal(blob, wanted, `a Blob of ${length} bytes`);
    }
    await pool.close();
  },

  async all_sources_agree(api, Pool) {
    const pool = new Pool({ workers: 2 });
    const data = splitMix64(8, 40 * MIB + 5);
    const wanted = await api.chunk(data, MEDIUM);
    const padded = new Uint8Array(data.length + 5);
    padded.set(data, 3);
    const sources: Record<string, () => Api.ByteSource> = {
      Uint8Array: () => data,
      ArrayBuffer: () => data.buffer.slice(0, data.length),
      "view in the middle of a buffer": () => padded.subarray(3, 3 + data.length),
      File: () => new File([data], "file"),
      "slice of a Blob of parts": () =>
        new Blob([padded.subarray(0, 99), padded.subarray(99)]).slice(3, -2),
      "stream of any pieces": () => defaultStream(piecesOf(data, 999_999)),
      "stream of bytes": () => byteStream(piecesOf(data, 999_999)),
      "async iterable": () => iterable(piecesOf(data, 65_537)),
      "async iterable of one huge piece": () => iterable([data].values()),
    };
    for (const [name, source] of Object.entries(sources)) {
      equal(await collected(pool.chunks(source(), MEDIUM)), wanted, name);
    }
    equal(padded.subarray(3, 9), data.subarray(0, 6), "the caller's bytes");
    await pool.close();
  },

  async a_cut_is_a_restart_point(api, Pool) {
    const pool = new Pool({ workers: 2 });
    const data = splitMix64(9, 4 * MIB);
    const whole = await api.chunk(data, FINE);
    const from = whole[100]?.offset ?? 0;
    for (const offset of [from, from + 2 ** 40]) {
      const options = { ...FINE, offset };
      const rest = data.subarray(from);
      equal(await pool.chunk(rest, options), await api.chunk(rest, options), `offset ${offset}`);
    }
    await pool.close();
  },

  async inputs_at_the_same_time_do_not_disturb_each_other(api, Pool) {
    const pool = new Pool({ workers: 2 });
    const inputs = [10, 11, 12, 13, 14].map((seed) => splitMix64(seed, 2 * MIB + seed));
    const wanted = await Promise.all(inputs.map((data) => api.chunk(data, FINE)));
    const waiting = pool.chunks(splitMix64(15, 8 * MIB), FINE);
    await waiting.next();
    const found = await Promise.all(inputs.map((data) => pool.chunk(data, FINE)));
    for (const [index, each] of found.entries()) equal(each, wanted[index] ?? [], `input ${index}`);
    await waiting.return();
    await pool.close();
  },

  async progress_ends_with_every_byte(_, Pool) {
    const pool = new Pool({ workers: 2 });
    const data = splitMix64(16, 3 * MIB);
    for (const source of [data, new Blob([data])]) {
      const seen: Api.Progress[] = [];
      await collected(pool.chunks(source, { ...FINE, onProgress: (each) => seen.push(each) }));
      equal(seen.at(-1), { bytesRead: data.length, totalBytes: data.length }, "the last progress");
      const sorted = seen.toSorted((a, b) => a.bytesRead - b.bytesRead);
      equal(seen, sorted, "the order of progress");
    }
    await pool.close();
  },
};

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what} differs`);
}
