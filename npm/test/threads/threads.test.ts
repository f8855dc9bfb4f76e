import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import * as api from "chunker-cdc";
import { ThreadedChunker } from "chunker-cdc/threads";
import { VECTORS } from "../builds.js";
import { runConformance, type Vectors } from "../conformance.js";
import { assertRefused, type Hostile } from "../hostile.js";
import { splitMix64 } from "../inputs.js";
import { THREADS_LAWS } from "./laws.js";

for (const [name, law] of Object.entries(THREADS_LAWS)) test(name, () => law(api, ThreadedChunker));

test("the threads agree with the vectors", async () => {
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  await using chunker = new ThreadedChunker({ threads: 2 });
  const threaded = { ...api, chunk: chunker.chunk.bind(chunker) };
  const { line, differences } = await runConformance(threaded, vectors, "node threads");
  console.log(line);
  assert.deepEqual(differences, []);
});

test("what is wrong is refused with a code", async () => {
  // biome-ignore lint/suspicious/noExplicitAny: the arguments are wrong on purpose
  const Any = ThreadedChunker as any;
  const chunker = new Any({ threads: 1 });
  const cases: Hostile[] = [
    ...[0, -1, 1.5, 65, 2 ** 32 + 1, "2", null, Number.NaN].map(
      (threads): Hostile => [`threads: ${threads}`, () => new Any({ threads }), "invalid_argument"],
    ),
    ["an unknown option", () => new Any({ workers: 1 }), "invalid_argument"],
    ["no bytes", () => chunker.chunk(5), "invalid_argument"],
    [
      "an odd size",
      () => chunker.chunk(data, { profile: { minSize: 65 } }),
      "invalid_chunking_options",
    ],
    [
      "an unknown hash",
      () => chunker.chunk(data, { profile: { hash: "md5" } }),
      "unknown_hash_algorithm",
    ],
  ];
  await assertRefused(cases, [api.ChunkerError]);
  await chunker.close();
});

const data = splitMix64(1, 40_000_000);

test("as many threads as there may be start, and find the same", async () => {
  const chunker = new ThreadedChunker({ threads: 64 });
  const found = await chunker.chunk(data, { profile: { hash: "blake3" } });
  await chunker.close();
  assert.deepEqual(found, await api.chunk(data, { profile: { hash: "blake3" } }));
});

test("an abort and a close stop what is cut; a closed one refuses more", async () => {
  const chunker = new ThreadedChunker({ threads: 2 });
  const controller = new AbortController();
  const aborted = chunker.chunk(data, { signal: controller.signal });
  setTimeout(() => controller.abort("enough"), 5);
  await assert.rejects(aborted, { code: "aborted", cause: "enough" });
  assert.deepEqual(await chunker.chunk(data), await api.chunk(data));
  const closed = chunker.chunk(data);
  setTimeout(() => chunker.close(), 5);
  await assert.rejects(closed, { code: "chunker_closed" });
  await assert.rejects(chunker.chunk(data), { code: "chunker_closed" });
  await chunker.close();
});

test("where memory cannot be shared, there are no threads", (t) => {
  const refused = { name: "ChunkerError", code: "threads_unavailable" };
  const own = globalThis as { crossOriginIsolated?: boolean; SharedArrayBuffer?: unknown };
  const memory = own.SharedArrayBuffer;
  t.after(() => {
    delete own.crossOriginIsolated;
    own.SharedArrayBuffer = memory;
  });
  own.crossOriginIsolated = false;
  assert.throws(() => new ThreadedChunker(), refused);
  own.crossOriginIsolated = true;
  delete own.SharedArrayBuffer;
  assert.throws(() => new ThreadedChunker(), refused);
});

test("threads that wait do not keep Node alive", async () => {
  const script = `
    import { ThreadedChunker } from "chunker-cdc/threads";
    const found = await new ThreadedChunker({ threads: 2 }).chunk(new Uint8Array(5_000_000));
    console.log(found.length);`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { timeout: 20_000 },
  );
  assert.equal(stdout, "2\n");
});
