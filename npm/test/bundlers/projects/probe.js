// Whether each part of the package finds its files, as one line: every tool has to print the same.

import { chunk } from "chunker-cdc";
import { compress, decompress } from "chunker-cdc/codecs";
import { upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { ThreadedChunker } from "chunker-cdc/threads";

const data = new Uint8Array(9_000_000).map((_, index) => (index * index) >> 7);
const show = (chunks) => `${chunks.length} ${chunks.at(-1).hashHex}`;

const parts = {
  chunk: async () => show(await chunk(data)),
  codecs: async () => (await decompress("zstd", await compress("zstd", data))).length,
  pool: () => byWorkers(new ChunkerPool({ workers: 2 })),
  threads: () => byWorkers(new ThreadedChunker({ threads: 2 })),
  dedup: async () => typeof upload,
};

async function byWorkers(workers) {
  const chunks = await workers.chunk(data);
  await workers.close();
  return show(chunks);
}

export async function probe() {
  const lines = [];
  for (const [name, part] of Object.entries(parts)) {
    const line = await part().catch((error) => `${error.code} ${error.message}: ${error.cause}`);
    lines.push(`${name}: ${line}`);
  }
  return lines.join(", ");
}
