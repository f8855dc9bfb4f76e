// Prints the throughput of the codecs on a tar archive, in MB of content a second on one thread:
// `npm run bench:codecs [-- FILE.tar]`. Without a file it takes the sources of Node's packages here.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compress, decompress } from "chunker-cdc/codecs";

const ROUNDS = 5;
const LIMIT = 20_000_000;

const [file] = process.argv.slice(2);
const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
const tar =
  file === undefined
    ? execFileSync("tar", ["-c", "--sort=name", "-C", modules, "typescript", "vite"], {
        maxBuffer: 2 ** 30,
      })
    : readFileSync(file);
const data = new Uint8Array(tar.subarray(0, LIMIT));

console.log(`${data.length} bytes of tar, median of ${ROUNDS} rounds after one that warms up`);
for (const [codec, level] of [
  ["zstd", 3],
  ["zstd", 1],
  ["lz4", 1],
  ["bzip2", 9],
  ["xz", 6],
  ["xz", 1],
]) {
  const packed = await compress(codec, data, { level });
  await decompress(codec, packed);
  const [writing, reading] = [[], []];
  // xz compresses for seconds: its rounds differ little.
  for (let round = 0; round < (codec === "xz" ? 1 : ROUNDS); round++) {
    writing.push(await speed(() => compress(codec, data, { level })));
    reading.push(await speed(() => decompress(codec, packed)));
  }
  const ratio = (data.length / packed.length).toFixed(2);
  console.log(
    `${codec} ${level}`.padEnd(9),
    `ratio ${ratio}, compress ${median(writing).padStart(6)} MB/s, decompress ${median(reading).padStart(6)} MB/s`,
  );
}

async function speed(run) {
  const start = performance.now();
  await run();
  return data.length / 1000 / (performance.now() - start);
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1].toFixed(1);
}
