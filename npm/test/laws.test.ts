import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { test } from "node:test";
import * as api from "chunker-cdc";
import { moduleOf } from "./builds.js";
import { splitMix64 } from "./inputs.js";
import { LARGE, LAWS, piecesOf, SMALL } from "./laws.js";

for (const [name, law] of Object.entries(LAWS)) test(name, () => law(api));

test("a stream of Node gives the chunks of its bytes", async () => {
  const data = splitMix64(10, 1_000_000);
  const found: api.Chunk[] = [];
  for await (const chunk of api.chunks(Readable.from(piecesOf(data, 65_536)), { profile: LARGE }))
    found.push(chunk);
  assert.deepEqual(found, await api.chunk(data, { profile: LARGE }));
});

test("a stream is read without a buffer of ours: Chromium sometimes never settles such a read", async () => {
  const data = splitMix64(12, 1_000_000);
  const stream = new Blob([data]).stream();
  const getReader = stream.getReader.bind(stream) as typeof stream.getReader;
  stream.getReader = ((options?: ReadableStreamGetReaderOptions) => {
    const reader = getReader(options as undefined);
    if (options?.mode === "byob") reader.read = () => new Promise<never>(() => {});
    return reader;
  }) as typeof stream.getReader;
  const options = { profile: LARGE };
  assert.deepEqual(
    await api.chunk(stream as unknown as Uint8Array, options),
    await api.chunk(data, options),
  );
});

test("other tasks run while a source is read that never keeps the reader waiting", async () => {
  const piece = splitMix64(13, 1_000_000);
  const count = 40;
  const stream = () => {
    let sent = 0;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        if (sent > count) controller.close();
        else controller.enqueue(piece);
      },
    });
  };
  const iterable = async function* () {
    for (let at = 0; at < count; at += 1) yield piece;
  };
  const bytes = new Uint8Array(count * piece.length);
  for (const source of [bytes, new Blob([bytes]), stream(), iterable()]) {
    let tasks = 0;
    let isOver = false;
    const run = () => {
      tasks += 1;
      if (!isOver) setImmediate(run);
    };
    setImmediate(run);
    for await (const _ of api.chunks(source, { profile: { ...LARGE, hash: "blake3" } }));
    isOver = true;
    assert.ok(tasks >= 4, `${tasks} tasks`);
  }
});

test("an abort cancels a source while other tasks run", { timeout: 60_000 }, async (t) => {
  const piece = splitMix64(13, 1_000_000);
  let cancelled: unknown;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(piece),
    cancel: (reason) => {
      cancelled = reason;
    },
  });
  const controller = new AbortController();
  const { setImmediate } = globalThis;
  // The pause of the reader never ends.
  t.mock.method(globalThis, "setImmediate", () => setImmediate(() => controller.abort("enough")));
  const reading = api.chunk(stream as unknown as Uint8Array, {
    profile: LARGE,
    signal: controller.signal,
  });
  await assert.rejects(reading, { code: "aborted", cause: "enough" });
  assert.equal(cancelled, "enough");
});

test("the plain and the simd128 module agree", async () => {
  // The CommonJS files are a second instance of the package, here with the plain module.
  const require = createRequire(import.meta.url);
  const plain = require("../dist/cjs/index.js") as typeof api;
  await plain.ready({ module: moduleOf("plain") });
  for (let seed = 0; seed < 40; seed++) {
    const data = splitMix64(seed, seed * 977);
    for (const hash of ["sha256", "blake3"] as const) {
      const options = { profile: { ...SMALL, hash } };
      const [a, b] = await Promise.all([api.chunk(data, options), plain.chunk(data, options)]);
      assert.deepEqual(JSON.stringify(a), JSON.stringify(b));
    }
  }
});

test("progress counts every byte and knows the total of bytes and blobs", async () => {
  const data = splitMix64(11, 2_500_000);
  for (const source of [data, new Blob([data])]) {
    const seen: api.Progress[] = [];
    await api.chunk(source as Uint8Array, {
      profile: LARGE,
      onProgress: (each) => seen.push(each),
    });
    assert.deepEqual(seen.at(-1), { bytesRead: data.length, totalBytes: data.length });
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a.bytesRead - b.bytesRead),
    );
  }
  const seen: api.Progress[] = [];
  const stream = Readable.from(piecesOf(data, 500_000));
  for await (const _ of api.chunks(stream, { onProgress: (each) => seen.push(each) }));
  assert.deepEqual(
    seen,
    [500, 1000, 1500, 2000, 2500].map((kb) => ({ bytesRead: kb * 1000 })),
  );
});

test("memory stays bounded over a gigabyte", async () => {
  const piece = new Uint8Array(1024 * 1024);
  async function* gigabyte() {
    for (let i = 0; i < 1024; i++) {
      crypto.getRandomValues(piece.subarray(0, 1024));
      yield piece;
    }
  }
  const before = process.memoryUsage.rss();
  let peak = 0;
  let length = 0;
  for await (const { payload } of api.chunksWithPayload(gigabyte(), {
    profile: { hash: "blake3" },
  })) {
    length += payload.length;
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  assert.equal(length, 1024 ** 3);
  const grown = (peak - before) / 1024 ** 2;
  console.log(`memory: ${grown.toFixed()} MiB more at the peak of a gigabyte`);
  assert.ok(grown < 150, `${grown} MiB`);
});

test("verification and reassembly hold one chunk of a large input", async () => {
  const length = 300 * 1024 * 1024;
  const data = new Uint8Array(4 * 1024 * 1024);
  async function* input() {
    for (let left = length; left > 0; left -= data.length) yield data.subarray(0, left);
  }
  for (const hash of ["sha256", "blake3"] as const) {
    const found: api.Chunk[] = [];
    for await (const chunk of api.chunks(input(), { profile: { hash } })) found.push(chunk);
    const manifest = api.Manifest.create({ hash }, found);
    const before = process.memoryUsage.rss();
    let peak = 0;
    await manifest.verify(input(), {
      onProgress: () => {
        peak = Math.max(peak, process.memoryUsage.rss());
      },
    });
    let reassembled = 0;
    for await (const bytes of manifest.reassemble(({ length }) => new Uint8Array(length))) {
      reassembled += bytes.length;
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    assert.equal(reassembled, length);
    const grown = (peak - before) / 1024 ** 2;
    console.log(`memory: ${grown.toFixed()} MiB more at the peak of ${hash}`);
    assert.ok(grown < 150, `${grown} MiB`);
  }
});

test("a thread that chunks a large buffer lets other tasks run", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await api.chunk(new Uint8Array(64 * 1024 * 1024), { profile: { hash: "blake3" } });
  clearInterval(timer);
  assert.ok(ticks >= 4, `${ticks} ticks`);
});
