// Prints the throughput of chunking and hashing random bytes on one thread: `npm run bench`.

import { createHash, randomFillSync } from "node:crypto";
import { chunk, Hasher } from "chunker-cdc";

const MIB = 1024 * 1024;
const ROUNDS = 7;

const data = new Uint8Array(256 * MIB);
for (let at = 0; at < data.length; at += MIB) randomFillSync(data, at, MIB);

for (const hash of ["sha256", "blake3"]) {
  await report(`${hash} alone`, () => new Hasher(hash).update(data).finalize());
  for (const sizes of [
    { minSize: 256 * 1024, avgSize: MIB, maxSize: 4 * MIB },
    { minSize: 16 * 1024, avgSize: 64 * 1024, maxSize: 256 * 1024 },
    { minSize: 2048, avgSize: 8192, maxSize: 32 * 1024 },
  ]) {
    const name = Object.values(sizes).map((size) => `${size / 1024}K`);
    await report(`chunk + ${hash} ${name.join("/")}`, () =>
      chunk(data, { profile: { ...sizes, hash } }),
    );
  }
}
await report("node:crypto sha256, to compare", () => createHash("sha256").update(data).digest());

/** Prints the median of the rounds, after one that warms up. */
async function report(name, run) {
  await run();
  const speeds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await run();
    speeds.push(data.length / 1000 / (performance.now() - start));
  }
  const median = speeds.sort((a, b) => a - b)[ROUNDS >> 1];
  console.log(`${name.padEnd(36)} ${median.toFixed().padStart(5)} MB/s`);
}
