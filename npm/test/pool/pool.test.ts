import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { getEventListeners } from "node:events";
import { openAsBlob, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import * as api from "chunker-cdc";
import { ChunkerPool, type PoolOptions } from "chunker-cdc/pool";
import { VECTORS } from "../builds.js";
import { runConformance, type Vectors } from "../conformance.js";
import { assertRefused, type Hostile } from "../hostile.js";
import { splitMix64 } from "../inputs.js";
import { POOL_LAWS } from "./laws.js";

const MIB = 1024 * 1024;
const OPTIONS = {
  profile: { minSize: 1024, avgSize: 4096, maxSize: 16_384, hash: "blake3" },
} as const;
const data = splitMix64(1, 6 * MIB);

for (const [name, law] of Object.entries(POOL_LAWS)) test(name, () => law(api, ChunkerPool));

test("the pool agrees with the vectors", async () => {
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  const pool = new ChunkerPool({ workers: 2 });
  const pooled = { ...api, chunk: pool.chunk.bind(pool) };
  const { line, differences } = await runConformance(pooled, vectors, "node pool");
  console.log(line);
  assert.deepEqual(differences, []);
  await pool.close();
});

test("a file and a stream of Node give the chunks of their bytes", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "chunker-pool-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "file"), data);
  const pool = new ChunkerPool({ workers: 2 });
  const wanted = await api.chunk(data, OPTIONS);
  const file = await openAsBlob(join(folder, "file"));
  for (const source of [file, Readable.from([data.slice(0, 5), data.slice(5)])]) {
    assert.deepEqual(await all(pool.chunks(source, OPTIONS)), wanted);
  }
  await pool.close();
});

test("an abort at any time stops at once, cancels the source and leaves no listener", async () => {
  const pool = new ChunkerPool({ workers: 2 });
  for (let ms = 0; ms < 30; ms += 3) {
    const { signal, sources, cancelled, abort } = endless();
    for (const source of sources) {
      const reading = all(pool.chunks(source, { ...OPTIONS, signal }));
      reading.catch(() => {});
      setTimeout(abort, ms);
      await assert.rejects(reading, { name: "ChunkerError", code: "aborted", cause: "enough" });
      assert.equal(getEventListeners(signal, "abort").length, 0);
    }
    assert.equal(cancelled(), 1);
  }
  assert.deepEqual(await pool.chunk(data, OPTIONS), await api.chunk(data, OPTIONS));
  await pool.close();
});

/** A stream that gives bytes for ever, and a large Blob. */
function endless() {
  const controller = new AbortController();
  let cancelled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(data.slice(0, 100_000)),
    cancel: () => {
      cancelled++;
    },
  });
  return {
    signal: controller.signal,
    sources: [stream, new Blob(Array.from({ length: 40 }, () => data))],
    cancelled: () => cancelled,
    abort: () => controller.abort("enough"),
  };
}

test("an error of the source passes through behind all chunks before it", async () => {
  const pool = new ChunkerPool({ workers: 2 });
  const failure = new TypeError("disk on fire");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield data;
    throw failure;
  }
  const whole = await api.chunk(data, OPTIONS);
  const found: api.Chunk[] = [];
  await assert.rejects(async () => {
    for await (const chunk of pool.chunks(failing(), OPTIONS)) found.push(chunk);
  }, failure);
  assert.deepEqual(found, whole.slice(0, -1));
  const onProgress = () => {
    throw failure;
  };
  await assert.rejects(pool.chunk(data, { ...OPTIONS, onProgress }), failure);
  await pool.close();
});

test("a file that shrinks while it is read is an error", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "chunker-pool-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  await writeFile(path, data);
  const file = await openAsBlob(path);
  await writeFile(path, data.subarray(0, MIB));
  const pool = new ChunkerPool({ workers: 2 });
  await assert.rejects(all(pool.chunks(file, OPTIONS)), { name: "NotReadableError" });
  await pool.close();
});

test("data that is detached while it is read is an error, not a short answer", async () => {
  const pool = new ChunkerPool({ workers: 2 });
  const bytes = new Uint8Array(20 * MIB);
  const onProgress = () => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  await assert.rejects(pool.chunk(bytes, { ...OPTIONS, onProgress }), { code: "invalid_argument" });
  await pool.close();
});

const withWorkers = { skip: api.backend().startsWith("native") && "threads are not workers" };

test(
  "a worker that dies is an error of what it was cutting; the next input gets another",
  withWorkers,
  async () => {
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => workers.push(worker);
    process.on("worker", onWorker);
    // The pool does not wait for a worker that ends without its doing.
    const waiting = setInterval(() => {}, 1000);
    const pool = new ChunkerPool({ workers: 2 });
    const large = new Blob(Array.from({ length: 20 }, () => data));
    for (let round = 0; round < 4; round++) {
      const reading = pool.chunks(large, OPTIONS);
      await reading.next();
      const alive = workers.filter(({ threadId }) => threadId > 0);
      assert.equal(alive.length, 2);
      // One of them may just have nothing to do.
      await Promise.all(alive.map((worker) => worker.terminate()));
      await assert.rejects(all(reading), { name: "ChunkerError", code: "worker_failed" });
      assert.deepEqual(await pool.chunk(data, OPTIONS), await api.chunk(data, OPTIONS));
    }
    clearInterval(waiting);
    process.off("worker", onWorker);
    await pool.close();
  },
);

test("leaving the loop cancels the source", async () => {
  const pool = new ChunkerPool({ workers: 2 });
  const { sources, cancelled } = endless();
  for (const source of sources) for await (const _ of pool.chunks(source, OPTIONS)) break;
  assert.equal(cancelled(), 1);
  await pool.close();
});

test("a stream that hangs is cancelled by an abort and by leaving the loop", async () => {
  const pool = new ChunkerPool({ workers: 2 });
  for (const byAbort of [true, false]) {
    let cancel = (_: unknown) => {};
    const cancelled = new Promise<unknown>((resolve) => {
      cancel = resolve;
    });
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(data.slice()),
      pull: () => new Promise(() => {}),
      cancel: (reason) => cancel(reason),
    });
    const controller = new AbortController();
    const reading = pool.chunks(stream, { ...OPTIONS, signal: controller.signal });
    await reading.next();
    if (byAbort) {
      setTimeout(() => controller.abort("enough"), 5);
      await assert.rejects(all(reading), { code: "aborted", cause: "enough" });
      assert.equal(await cancelled, "enough");
    } else {
      await reading.return();
      await cancelled;
    }
  }
  await pool.close();
});

test("hostile arguments get the right code and leave the pool usable", async () => {
  const pool = new ChunkerPool({ workers: 1 });
  const closed = new ChunkerPool();
  await closed.close();
  const read = (source: unknown, options?: unknown) =>
    all(pool.chunks(source as Blob, options as api.ReadOptions));
  const create = (options: unknown) => new ChunkerPool(options as PoolOptions);
  const cases: Hostile[] = [
    ...[0, -1, 1.5, 65, Number.NaN, "2", null].map(
      (workers): Hostile => [`${workers} workers`, () => create({ workers }), "invalid_argument"],
    ),
    ["an unknown option of the pool", () => create({ worker: 2 }), "invalid_argument"],
    ["options of null", () => create(null), "invalid_argument"],
    ["an unknown option", () => read(data, { minsize: 64 }), "invalid_argument"],
    ["an odd size", () => read(data, { profile: { minSize: 65 } }), "invalid_chunking_options"],
    ["an unknown hash", () => read(data, { profile: { hash: "md5" } }), "unknown_hash_algorithm"],
    ["an offset of -1", () => read(data, { offset: -1 }), "invalid_argument"],
    ["input beyond 2^53", () => read(data, { offset: 2 ** 53 - 10 }), "invalid_argument"],
    ["a signal of 5", () => read(data, { signal: 5 }), "invalid_argument"],
    ["onProgress of 5", () => read(data, { onProgress: 5 }), "invalid_argument"],
    ["aborted before", () => read(data, { signal: AbortSignal.abort() }), "aborted"],
    ["a file that is not there", () => read("no file"), "io_error"],
    ["a URL of no file", () => read(new URL("https://example.org")), "invalid_argument"],
    ["a source of null", () => read(null), "invalid_argument"],
    ["a stream of text", () => read(Readable.from(["text"])), "invalid_argument"],
    ["shared memory", () => read(new Uint8Array(new SharedArrayBuffer(9))), "invalid_argument"],
    ["chunk after close", () => closed.chunk(data), "chunker_closed"],
    ["chunks after close", () => all(closed.chunks(data)), "chunker_closed"],
  ];
  await assertRefused(cases, [api.ChunkerError]);
  assert.deepEqual(await pool.chunk(data, OPTIONS), await api.chunk(data, OPTIONS));
  await pool.close();
});

test("closing stops what is being cut, at any time and any number of times", async () => {
  for (let ms = 0; ms < 30; ms += 5) {
    const pool = new ChunkerPool({ workers: 2 });
    const reading = endless().sources.map((source) => all(pool.chunks(source, OPTIONS)));
    for (const each of reading) each.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, ms));
    await Promise.all([pool.close(), pool.close(), pool[Symbol.asyncDispose]()]);
    for (const each of reading) await assert.rejects(each, { code: "chunker_closed" });
  }
});

test("a pool that is not closed does not keep Node alive, one at work does", async () => {
  const program = `
    import { ChunkerPool } from "chunker-cdc/pool";
    const pool = new ChunkerPool({ workers: 2 });
    const left = pool.chunks(new Blob([new Uint8Array(40_000_000)]), ${JSON.stringify(OPTIONS)});
    await left.next();
    pool.chunk(new Uint8Array(5_000_000)).then((found) => console.log(found.length));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program],
    { cwd: fileURLToPath(new URL("../..", import.meta.url)), timeout: 20_000 },
  );
  assert.equal(stdout, "2\n");
});

test("memory stays bounded over a gigabyte, whatever the consumer does", async () => {
  const piece = new Uint8Array(MIB);
  async function* gigabyte() {
    for (let i = 0; i < 1024; i++) {
      crypto.getRandomValues(piece.subarray(0, 1024));
      yield piece;
    }
  }
  const pool = new ChunkerPool({ workers: 2 });
  await pool.chunk(data);
  const part = new Blob([splitMix64(2, 64 * MIB)]);
  const blob = new Blob(Array.from({ length: 16 }, () => part));
  for (const [name, source] of [
    ["stream", gigabyte()],
    ["Blob", blob],
  ] as const) {
    const before = process.memoryUsage.rss();
    let peak = 0;
    let length = 0;
    for await (const chunk of pool.chunks(source, { profile: { hash: "blake3" } })) {
      if (length === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      length += chunk.length;
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    assert.equal(length, 1024 ** 3);
    const grown = (peak - before) / MIB;
    console.log(`memory: ${name}: ${grown.toFixed()} MiB more at the peak of a gigabyte`);
    assert.ok(grown < 250, `${name}: ${grown} MiB`);
  }
  await pool.close();
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
