// What `bench-pool.mjs` runs, in Node and in a page.

import { chunk, Hasher, ready } from "chunker-cdc";
import { ChunkerPool } from "chunker-cdc/pool";
import { ThreadedChunker } from "chunker-cdc/threads";

const KIB = 1024;
export const PROFILES = {
  "16K/64K/256K": { minSize: 16 * KIB, avgSize: 64 * KIB, maxSize: 256 * KIB },
  "256K/1M/4M": { minSize: 256 * KIB, avgSize: 1024 * KIB, maxSize: 4096 * KIB },
};

/**
 * Returns functions by what they do to `bytes` random ones.
 *
 * @param peers The modules `xetchunk` and `hashWasm`.
 * @param bench The loaded module of `cargo xtask wasm-bench`.
 */
export async function contestants(bytes, { xetchunk, hashWasm }, bench) {
  await ready();
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(data.subarray(at, Math.min(bytes, at + 65_536)));
  }
  const blob = new Blob([data]);
  const pools = [1, 2].map((workers) => new ChunkerPool({ workers }));
  const teams = [1, 2].map((threads) => new ThreadedChunker({ threads }));
  const peerHasher = await hashWasm.createBLAKE3();
  const all = {
    "xetchunk-wasm 0.2.0, 64K": async () => xetchunk.getChunks(data).length,
    "hash-wasm blake3 alone": async () => peerHasher.init().update(data).digest("binary").length,
    "blake3 alone": async () => new Hasher("blake3").update(data).finalize().length,
    "sha256 alone": async () => new Hasher("sha256").update(data).finalize().length,
  };
  for (const [name, sizes] of Object.entries(PROFILES)) {
    all[`${name} cut, calling thread`] = async () => bench.countChunks(data, sizes);
    for (const hash of ["blake3", "sha256"]) {
      const options = { profile: { ...sizes, hash } };
      const counted = async (chunks) => {
        let count = 0;
        for await (const _ of chunks) count++;
        return count;
      };
      all[`${name} ${hash}, calling thread`] = async () => (await chunk(data, options)).length;
      pools.forEach((pool, index) => {
        all[`${name} ${hash}, pool of ${index + 1}`] = () => counted(pool.chunks(blob, options));
      });
      teams.forEach((team, index) => {
        all[`${name} ${hash}, threads: ${index + 1}`] = () => counted(team.chunks(blob, options));
      });
    }
  }
  return all;
}

/** The ratios that are printed: how many times faster the first is than the second. */
export const RATIOS = [
  ["16K/64K/256K blake3, calling thread", "xetchunk-wasm 0.2.0, 64K"],
  ["blake3 alone", "hash-wasm blake3 alone"],
  ...Object.keys(PROFILES).flatMap((name) => [
    ...["cut", "blake3"].map((what) => [
      `${name} ${what}, calling thread`,
      `${name} ${what}, natively`,
    ]),
    ...["blake3", "sha256"].flatMap((hash) => [
      [`${name} ${hash}, pool of 2`, `${name} ${hash}, pool of 1`],
      [`${name} ${hash}, pool of 2`, `${name} ${hash}, calling thread`],
      [`${name} ${hash}, threads: 2`, `${name} ${hash}, threads: 1`],
      [`${name} ${hash}, threads: 2`, `${name} ${hash}, calling thread`],
    ]),
  ]),
];
