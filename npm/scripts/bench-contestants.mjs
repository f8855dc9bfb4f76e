// What `bench-pool.mjs` runs, in Node and in a page.

import { chunk, Hasher, ready } from "chunker-wasm";
import { ChunkerPool } from "chunker-wasm/pool";

const KIB = 1024;
const PROFILES = {
  "16K/64K/256K": { minSize: 16 * KIB, avgSize: 64 * KIB, maxSize: 256 * KIB },
  "256K/1M/4M": {},
};

/** Returns functions by what they do to `bytes` random ones. `peer` is xetchunk-wasm. */
export async function contestants(bytes, peer) {
  await ready();
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(data.subarray(at, Math.min(bytes, at + 65_536)));
  }
  const blob = new Blob([data]);
  const pools = [1, 2].map((workers) => new ChunkerPool({ workers }));
  const all = {
    "xetchunk-wasm 0.2.0, 64K": async () => peer.getChunks(data).length,
    "blake3 alone": async () => new Hasher("blake3").update(data).digest().length,
    "sha256 alone": async () => new Hasher("sha256").update(data).digest().length,
  };
  for (const [name, sizes] of Object.entries(PROFILES)) {
    for (const hash of ["blake3", "sha256"]) {
      const options = { ...sizes, hash };
      all[`${name} ${hash}, calling thread`] = async () => (await chunk(data, options)).length;
      for (const [index, pool] of pools.entries()) {
        all[`${name} ${hash}, pool of ${index + 1}`] = async () => {
          let count = 0;
          for await (const _ of pool.chunks(blob, options)) count++;
          return count;
        };
      }
    }
  }
  return all;
}

/** The ratios that are printed: how many times faster the first is than the second. */
export const RATIOS = [
  ["16K/64K/256K blake3, calling thread", "xetchunk-wasm 0.2.0, 64K"],
  ...Object.keys(PROFILES).flatMap((name) =>
    ["blake3", "sha256"].flatMap((hash) => [
      [`${name} ${hash}, pool of 2`, `${name} ${hash}, pool of 1`],
      [`${name} ${hash}, pool of 2`, `${name} ${hash}, calling thread`],
    ]),
  ),
];
