// The totals of `metrics()` are the truth: what the caller was given, and nothing twice.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as api from "chunker-cdc";
import { type ByteSource, type Chunk, type Metrics, metrics } from "chunker-cdc";
import {
  CompressTransform,
  compress,
  compressAdaptive,
  DecompressTransform,
  decompress,
  detectCodec,
} from "chunker-cdc/codecs";
import { DedupError, download, type UploadProgress, upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { codeOf, collect, MemoryTransport, QUICK, randomBytes } from "./dedup/support.js";

const SHA256 = { profile: { minSize: 1024, avgSize: 4096, maxSize: 16_384 } } as const;
const BLAKE3 = { profile: { ...SHA256.profile, hash: "blake3" } } as const;
const data = randomBytes(3_000_001, 1);
const pool = new ChunkerPool({ workers: 2 });

after(() => pool.close());

/** What a metric has become more while `work` ran; only what did. */
async function growth(work: () => unknown): Promise<Record<string, number>> {
  const before = flat(metrics());
  await work();
  const grown = Object.entries(flat(metrics())).map(([name, value]): [string, number] => [
    name,
    value - (before[name] ?? 0),
  ]);
  return Object.fromEntries(grown.filter(([, more]) => more !== 0));
}

function flat(record: object, prefix = ""): Record<string, number> {
  return Object.assign(
    {},
    ...Object.entries(record).map(([key, value]) =>
      typeof value === "number" ? { [prefix + key]: value } : flat(value, `${prefix + key}.`),
    ),
  );
}

function taken(hash: api.HashAlgorithm, chunks: readonly { length: number }[]) {
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  return { [`chunks.${hash}.count`]: chunks.length, [`chunks.${hash}.bytes`]: bytes };
}

async function some<C>(chunks: AsyncIterable<C>, limit = Infinity): Promise<C[]> {
  const all: C[] = [];
  for await (const chunk of chunks) if (all.push(chunk) === limit) break;
  return all;
}

test("metrics are a frozen copy, with zeros for what has not happened", () => {
  const early = metrics();
  assert.ok(Object.isFrozen(early) && Object.isFrozen(early.chunks.sha256));
  assert.deepEqual(Object.keys(early.chunks), ["sha256", "blake3"]);
  new api.Hasher("sha256").update(data).finalize();
  assert.deepEqual({ ...metrics(), digests: early.digests }, early);
  assert.notDeepEqual(metrics(), early);
});

test("chunks are counted by algorithm, whichever way they are found", async () => {
  const wanted = taken("blake3", await api.chunk(data, BLAKE3));
  const stream = () => new Blob([data]).stream();
  const pushed = () => {
    const chunker = new api.Chunker(BLAKE3);
    for (let at = 0; at < data.length; at += 99_991) chunker.feed(data.subarray(at, at + 99_991));
    chunker.finish();
  };
  const ways: Record<string, () => unknown> = {
    chunk: () => api.chunk(data, BLAKE3),
    chunks: () => some(api.chunks(new Blob([data]), BLAKE3)),
    chunksWithPayload: () => some(api.chunksWithPayload(data, BLAKE3)),
    ChunkTransform: () => some(stream().pipeThrough(new api.ChunkTransform(BLAKE3))),
    Chunker: pushed,
    pool: () => pool.chunk(data, BLAKE3),
    "pool, a stream": () => some(pool.chunks(stream(), BLAKE3)),
  };
  for (const [way, work] of Object.entries(ways)) {
    assert.deepEqual(await growth(work), wanted, way);
  }
  const mixed = await growth(() => Promise.all(Object.values(ways).map((work) => work())));
  const times = Object.keys(ways).length;
  assert.deepEqual(
    mixed,
    Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, value * times])),
  );
  const manifest = api.Manifest.create(SHA256.profile, await api.chunk(data, SHA256));
  assert.deepEqual(await growth(() => manifest.chunks), {}, "a manifest finds nothing");
});

test("of a loop that is left, the chunks it was given are counted", async () => {
  const loops: Record<string, (source: ByteSource) => AsyncIterable<Chunk | api.ChunkWithPayload>> =
    {
      chunks: (source) => api.chunks(source, SHA256),
      chunksWithPayload: (source) => api.chunksWithPayload(source, SHA256),
      pool: (source) => pool.chunks(source, SHA256),
    };
  const wanted = await api.chunk(data, SHA256);
  for (const [name, loop] of Object.entries(loops)) {
    for (const limit of [1, 7, 400]) {
      const grown = await growth(() => some(loop(data), limit));
      assert.deepEqual(grown, taken("sha256", wanted.slice(0, limit)), `${name}, ${limit}`);
    }
  }
  const seen: number[] = [];
  for await (const _ of api.chunks(data, SHA256)) seen.push(metrics().chunks.sha256.count);
  assert.ok(
    seen.every((count, index) => count === (seen[0] ?? 0) + index),
    "inside of the loop too",
  );
});

test("digests are counted when they are taken", async () => {
  const grown = await growth(async () => {
    await api.digest("blake3", data);
    new api.Hasher("sha256").update(data).update(data.subarray(5)).finalize();
    new api.Hasher("sha256").update(data)[Symbol.dispose]();
  });
  assert.deepEqual(grown, {
    "digests.blake3.count": 1,
    "digests.blake3.bytes": data.length,
    "digests.sha256.count": 1,
    "digests.sha256.bytes": 2 * data.length - 5,
  });
});

test("an error is counted once, by its code, wherever it comes from", async () => {
  const signal = AbortSignal.abort("enough");
  const leave = () => {
    const controller = new AbortController();
    const { signal } = controller;
    return { signal, onProgress: () => controller.abort() };
  };
  const closed = new ChunkerPool();
  await closed.close();
  const transport = new MemoryTransport();
  const cases: [string, () => unknown][] = [
    ["invalid_chunking_options", () => new api.Chunker({ profile: { minSize: 1 } })],
    ["invalid_chunking_options", () => api.chunk(data, { profile: { minSize: 1 } })],
    ["invalid_chunking_options", () => pool.chunk(data, { profile: { minSize: 1 } })],
    ["invalid_chunking_options", () => upload(data, { transport, profile: { minSize: 1 } })],
    ["unknown_hash_algorithm", () => new api.Hasher("md5" as "sha256")],
    ["io_error", () => api.chunk("no file")],
    ["invalid_argument", () => some(pool.chunks({} as Blob))],
    ["invalid_argument", () => upload(data, { transport, concurrency: 0 })],
    ["invalid_argument", () => collect(download("no digest", { transport }))],
    ["aborted", () => api.chunk(data, { signal })],
    ["aborted", () => api.chunk(data, leave())],
    ["aborted", () => pool.chunk(data, { signal })],
    ["aborted", () => pool.chunk(data, leave())],
    ["aborted", () => upload(data, { transport, signal })],
    ["aborted", () => upload(data, { transport, ...SHA256, ...leave() })],
    ["aborted", () => upload(data, { transport, ...SHA256, pool, ...leave() })],
    ["aborted", () => upload(new Blob([data]).stream(), { transport, ...leave() })],
    ["chunker_closed", () => closed.chunk(data)],
    ["invalid_manifest", () => api.Manifest.parse(new Uint8Array(9))],
    ["invalid_manifest", () => api.Manifest.fromJSON(null)],
    ["unsupported_manifest_version", () => api.Manifest.fromJSON([])],
    ["root_not_found", () => collect(download(`sha256-${"0".repeat(64)}`, { transport }))],
    ["zstd_decompression_failed", () => decompress("zstd", data)],
    [
      "zstd_decompression_failed",
      () => some(new Blob([data]).stream().pipeThrough(new DecompressTransform("zstd"))),
    ],
  ];
  for (const [index, [code, work]] of cases.entries()) {
    const grown = await growth(async () => assert.equal(await codeOf(run(work)), code));
    const errors = Object.entries(grown).filter(([name]) => name.startsWith("errors."));
    assert.deepEqual(errors, [[`errors.${code}`, 1]], `case ${index}`);
  }
  assert.deepEqual(await growth(() => detectCodec(data)), {}, "an answer is no error");
  const own = new Error("of the source");
  const failing = (async function* () {
    yield data;
    throw own;
  })();
  const grown = await growth(() => assert.rejects(api.chunk(failing as never), own));
  assert.deepEqual(
    Object.keys(grown).filter((name) => name.startsWith("errors.")),
    [],
    "errors of a source are not the library's",
  );
});

/** Lets what `work` throws at once be a rejection. */
async function run(work: () => unknown): Promise<unknown> {
  return work();
}

test("codecs count what goes in and out, in one call and as streams", async () => {
  const text = new Uint8Array(300_000).map((_, index) => index % 50);
  const packed = await compress("zstd", text);
  const once = { in: packed.length, out: text.length };
  const piped = async (bytes: Uint8Array<ArrayBuffer>, transform: CompressTransform) =>
    (await collect(new Blob([bytes]).stream().pipeThrough(transform))).length;
  let streamed = 0;
  const grown = await growth(async () => {
    await compress("zstd", text);
    await compressAdaptive("zstd", text);
    await compressAdaptive("zstd", data);
    await decompress("zstd", packed);
    streamed = await piped(text, new CompressTransform("lz4"));
    assert.equal(await piped(packed, new DecompressTransform("zstd")), text.length);
    await codeOf(decompress("zstd", packed, { maxOutput: 1000 }));
  });
  assert.deepEqual(grown, {
    "compression.zstd.bytesIn": 2 * once.out,
    "compression.zstd.bytesOut": 2 * once.in,
    "compression.lz4.bytesIn": text.length,
    "compression.lz4.bytesOut": streamed,
    "decompression.zstd.bytesIn": 2 * once.in,
    "decompression.zstd.bytesOut": 2 * once.out,
    "errors.size_exceeded": 1,
  });
});

test("transfers are counted by what their progress says, and by what the server saw", async () => {
  const transport = new MemoryTransport();
  await upload(data.subarray(0, 1_000_000), { transport, ...SHA256 });
  transport.sent.length = 0;
  transport.store.limits = { ...transport.store.limits, packBytes: 100_000 };
  const failing = new Set([2, 5]);
  transport.fault = ({ method, count }) => {
    if (method === "putPack" && failing.delete(count)) {
      throw new DedupError("network_error", "reset", { retryable: true });
    }
  };
  const source = new Blob([data, data.subarray(0, 500_000)]);
  let last: UploadProgress | undefined;
  const onProgress = (progress: UploadProgress) => {
    last = progress;
  };
  let uploads: Metrics["uploads"] | undefined;
  const retry = QUICK;
  const grown = await growth(async () => {
    const before = metrics().uploads;
    const result = await upload(source, { transport, ...SHA256, retry, onProgress });
    uploads = difference(metrics().uploads, before);
    const { root, manifest, ...totals } = result;
    assert.deepEqual(totals, last);
    const { totalBytes, bytesDone, bytesInTransit, ...own } = totals;
    assert.deepEqual(uploads, own);
    assert.deepEqual([totalBytes, bytesDone, bytesInTransit], [source.size, source.size, 0]);
    assert.equal(uploads.newChunks, transport.sent.length);
    assert.equal(uploads.newChunks + uploads.savedChunks, manifest.chunks.length);
    assert.equal(uploads.bytesSent + uploads.bytesSaved, source.size);
    assert.equal(uploads.retries, 2 - failing.size);
    assert.ok(uploads.savedChunks > 0 && uploads.retries > 0);
    const downloads = metrics().downloads;
    const left = download(root, { transport });
    const [given] = await some(left, 1);
    const first = left.progress;
    assert.equal(first.bytesReceived, given?.length);
    await collect(download(root, { transport }));
    const lengths = new Map(manifest.chunks.map(({ hashHex, length }) => [hashHex, length]));
    const distinct = [...lengths.values()].reduce((sum, length) => sum + length, 0);
    assert.deepEqual(difference(metrics().downloads, downloads), {
      bytesReceived: source.size + first.bytesReceived,
      bytesOnWire: distinct + first.bytesOnWire,
      bytesReused: source.size - distinct,
      chunks: manifest.chunks.length + first.chunks,
      retries: 0,
    });
  });
  assert.equal(grown["chunks.sha256.bytes"], source.size, "what an upload chunks is counted once");
});

test("an upload that fails leaves in the totals what it did", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 100_000 };
  const controller = new AbortController();
  let sent = 0;
  transport.fault = ({ method }) => {
    if (method === "putPack" && ++sent === 6) controller.abort();
  };
  const before = metrics().uploads;
  const { signal } = controller;
  assert.equal(await codeOf(upload(data, { transport, ...SHA256, signal })), "aborted");
  const { newChunks, bytesSent } = difference(metrics().uploads, before);
  assert.equal(newChunks, transport.sent.length);
  const bytes = [...transport.chunks.values()].reduce((sum, { length }) => sum + length, 0);
  assert.equal(bytesSent, bytes);
});

function difference<T extends object>(later: T, earlier: T): T {
  const values = Object.entries(later).map(([name, value]) => [
    name,
    value - (earlier[name as keyof T] as number),
  ]);
  return Object.fromEntries(values) as T;
}
