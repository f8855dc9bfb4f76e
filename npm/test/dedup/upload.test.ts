import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ChunkerError, chunk, toHex } from "chunker-cdc";
import {
  type ChunkEvent,
  DedupError,
  download,
  MemoryResumeStore,
  type UploadProgress,
  upload,
} from "chunker-cdc/dedup";
import {
  codeOf,
  collect,
  hanging,
  MemoryTransport,
  QUICK,
  randomBytes,
  SMALL,
  temporaryDirectory,
} from "./support.js";

const data = randomBytes(300_001, 1);
const profile = SMALL;

test("what is uploaded is what is downloaded", async () => {
  for (const length of [0, 1, 1024, 4096, 300_001]) {
    const transport = new MemoryTransport();
    const bytes = data.slice(0, length);
    const result = await upload(new Blob([bytes]), { transport, profile });
    assert.deepEqual(await collect(download(result.rootDigest, { transport })), Buffer.from(bytes));
    assert.equal(result.bytesRead, length);
    assert.equal(result.bytesSent + result.bytesSaved, length);
    assert.equal(result.totalBytes, length);
  }
});

test("every kind of source gives the same manifest", async () => {
  const sources = {
    bytes: data,
    buffer: data.slice().buffer,
    blob: new Blob([data]),
    stream: new Blob([data]).stream(),
    iterable: (async function* () {
      for (let at = 0; at < data.length; at += 10_007) yield data.subarray(at, at + 10_007);
    })(),
  };
  const roots = new Set<string>();
  for (const source of Object.values(sources)) {
    const { rootDigest } = await upload(source, { transport: new MemoryTransport(), profile });
    roots.add(rootDigest);
  }
  assert.equal(roots.size, 1);
});

test("a chunk that the file repeats is sent once", async () => {
  const transport = new MemoryTransport();
  const twice = new Blob([data, data, data]);
  const result = await upload(twice, { transport, profile });
  assert.equal(transport.sent.length, new Set(transport.sent).size);
  assert.ok(result.bytesSent < data.length * 1.1);
  assert.equal(result.bytesSent + result.bytesSaved, twice.size);
});

test("an edited copy sends only what changed", async () => {
  const transport = new MemoryTransport();
  await upload(data, { transport, profile });
  transport.sent.length = 0;
  const edited = new Blob([data.subarray(0, 150_000), "inserted", data.subarray(150_000)]);
  const result = await upload(edited, { transport, profile });
  assert.ok(result.newChunks >= 1 && result.newChunks <= 3, `${result.newChunks} new chunks`);
  assert.equal(transport.sent.length, result.newChunks);
});

test("progress only grows and ends with the totals; chunk events come in a sensible order", async () => {
  const transport = new MemoryTransport();
  await upload(data.subarray(0, 100_000), { transport, profile });
  const progress: UploadProgress[] = [];
  const states = new Map<number, string[]>();
  const onChunk = ({ index, state }: ChunkEvent) => {
    states.set(index, [...(states.get(index) ?? []), state]);
  };
  const source = new Blob([data, data]);
  const result = await upload(source, {
    transport,
    profile,
    onChunk,
    onProgress: (p) => progress.push(p),
  });
  for (const [index, now] of progress.entries()) {
    const before = progress[index - 1] ?? now;
    for (const key of ["bytesRead", "bytesSent", "bytesSaved", "chunks", "newChunks"] as const) {
      assert.ok(now[key] >= before[key], key);
    }
  }
  const { rootDigest: _, manifest: __, ...totals } = result;
  assert.deepEqual(progress.at(-1), totals);
  assert.equal(states.size, result.chunks);
  const seen = new Set([...states.values()].map((list) => list.join(" ")));
  assert.deepEqual(seen, new Set(["found known", "found sending sent", "duplicate"]));
});

test("network errors, 429, 408 and 5xx are retried, other 4xx are not", async () => {
  const cases: [DedupError, boolean][] = [
    [new DedupError("network_error", "", { retryable: true }), true],
    [new DedupError("server_busy", "", { status: 503, retryable: true }), true],
    [new DedupError("digest_mismatch", "", { status: 400 }), false],
  ];
  for (const [error, retried] of cases) {
    for (const method of ["missing", "putChunk", "putManifest"] as const) {
      const transport = new MemoryTransport();
      transport.fault = (request) => {
        if (request.method === method && request.count < 2) throw error;
      };
      const code = await codeOf(upload(data, { transport, profile, retry: QUICK }));
      assert.equal(code, retried ? "resolved" : error.code, `${method} ${error.code}`);
      if (!retried && method === "missing") assert.equal(transport.calls.get(method), 1);
    }
  }
});

test("retries stop after the given attempts and wait as documented", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method }) => {
    if (method === "missing") throw new DedupError("network_error", "down", { retryable: true });
  };
  const delays: number[] = [];
  const retry = {
    attempts: 5,
    baseDelayMs: 8,
    maxDelayMs: 20,
    random: () => 1,
    onRetry: ({ delayMs }: { delayMs: number }) => delays.push(delayMs),
  };
  assert.equal(await codeOf(upload(data, { transport, profile, retry })), "network_error");
  assert.deepEqual(delays, [8, 16, 20, 20]);
  delays.length = 0;
  await codeOf(upload(data, { transport, profile, retry: { ...retry, random: () => 0 } }));
  assert.deepEqual(delays, [4, 8, 10, 10]);
  transport.fault = () => {
    throw new DedupError("server_busy", "busy", { retryable: true, retryAfterMs: 30 });
  };
  delays.length = 0;
  await codeOf(upload(data, { transport, profile, retry: { ...retry, attempts: 2 } }));
  assert.deepEqual(delays, [30]);
});

test("payload bytes in flight and requests stay within their bounds; reading waits", async () => {
  const transport = new MemoryTransport();
  const total = 4 * 1024 * 1024;
  let read = 0;
  let most = 0;
  let finished = 0;
  const source = (async function* () {
    for (let at = 0; at < total; at += 8192) {
      read += 8192;
      most = Math.max(most, read - finished);
      yield randomBytes(8192, at + 2);
    }
  })();
  transport.fault = async ({ method }) => {
    if (method === "putChunk") await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const onProgress = ({ bytesSent, bytesSaved }: UploadProgress) => {
    finished = bytesSent + bytesSaved;
  };
  const maxBytesInFlight = 256 * 1024;
  await upload(source, { transport, profile, concurrency: 3, maxBytesInFlight, onProgress });
  // Besides the budget: the chunk that waits for it, the one being cut, and one read.
  assert.ok(most <= maxBytesInFlight + 2 * SMALL.maxSize + 2 * 8192, `${most} bytes`);
  assert.ok(most >= maxBytesInFlight / 2, `${most} bytes: the budget is not used`);
  assert.equal(transport.mostSending, 3);
});

test("a chunk larger than the budget is sent alone", async () => {
  const transport = new MemoryTransport();
  const result = await upload(data, { transport, profile, maxBytesInFlight: 1 });
  assert.equal(result.bytesSent, data.length);
  assert.equal(transport.mostSending, 1);
});

test("an abort rejects at once with `aborted`, wherever the upload stands", async () => {
  for (const method of ["missing", "putChunk", "putManifest"] as const) {
    const transport = new MemoryTransport();
    const controller = new AbortController();
    transport.fault = (request) => {
      if (request.method !== method) return;
      setImmediate(() => controller.abort());
      return hanging(request.signal);
    };
    const running = upload(data, { transport, profile, signal: controller.signal });
    assert.equal(await codeOf(running), "aborted", method);
  }
  const controller = new AbortController();
  controller.abort();
  const transport = new MemoryTransport();
  const error = await upload(data, { transport, signal: controller.signal }).catch((e) => e);
  assert.ok(error instanceof ChunkerError && error.code === "aborted");
  assert.equal(transport.calls.size, 0);
});

test("an abort gets through a source and a transport that never answer", {
  timeout: 2000,
}, async () => {
  const never = new Promise<never>(() => {});
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  const source = { [Symbol.asyncIterator]: () => ({ next: () => never }) };
  const transport = new MemoryTransport();
  const { signal } = controller;
  assert.equal(await codeOf(upload(source, { transport, profile, signal })), "aborted");
  transport.fault = () => never;
  assert.equal(await codeOf(upload(data, { transport, profile, signal })), "aborted");
  const second = new AbortController();
  setTimeout(() => second.abort(), 20);
  assert.equal(
    await codeOf(upload(data, { transport, profile, signal: second.signal })),
    "aborted",
  );
});

test("an abort during the wait before a retry ends the wait", { timeout: 2000 }, async () => {
  const transport = new MemoryTransport();
  transport.fault = () => {
    throw new DedupError("network_error", "down", { retryable: true });
  };
  const controller = new AbortController();
  const retry = { baseDelayMs: 60_000, maxDelayMs: 60_000, onRetry: () => controller.abort() };
  const running = upload(data, { transport, profile, retry, signal: controller.signal });
  assert.equal(await codeOf(running), "aborted");
});

test("after a failure nothing is reported and nothing is unhandled", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  let settled = false;
  let late = 0;
  const transport = new MemoryTransport();
  transport.fault = async ({ method, count }) => {
    if (method !== "putChunk") return;
    await new Promise((resolve) => setTimeout(resolve, count % 7));
    if (count === 5) throw new DedupError("digest_mismatch", "refused", { status: 400 });
  };
  const report = () => {
    if (settled) late += 1;
  };
  const code = await codeOf(
    upload(data, { transport, profile, concurrency: 8, onChunk: report, onProgress: report }),
  );
  settled = true;
  await new Promise((resolve) => setTimeout(resolve, 30));
  process.off("unhandledRejection", onUnhandled);
  assert.equal(code, "digest_mismatch");
  assert.equal(late, 0);
  assert.deepEqual(unhandled, []);
});

test("an error of a callback or a source is the upload's error", async () => {
  const thrown = new Error("mine");
  const fail = () => {
    throw thrown;
  };
  const transport = new MemoryTransport();
  await assert.rejects(upload(data, { transport, profile, onProgress: fail }), thrown);
  await assert.rejects(upload(data, { transport, profile, onChunk: fail }), thrown);
  const source = (async function* () {
    yield data;
    throw thrown;
  })();
  await assert.rejects(upload(source, { transport, profile }), thrown);
});

test("an upload that was cut off goes on at the last confirmed cut", async () => {
  const file = new File([data], "data.bin", { lastModified: 1 });
  for (const cutOff of [1, 5, 20, 40]) {
    const transport = new MemoryTransport();
    const resume = new MemoryResumeStore();
    transport.fault = ({ method, count }) => {
      if (method === "putChunk" && count === cutOff) {
        throw new DedupError("forbidden", "cut off", { status: 403 });
      }
    };
    const settings = { transport, profile, resume, concurrency: 2, maxBytesInFlight: 64 * 1024 };
    assert.equal(await codeOf(upload(file, settings)), "forbidden");
    const before = transport.sent.length;
    transport.fault = () => {};
    const result = await upload(file, settings);
    if (cutOff >= 20) assert.ok(result.bytesResumed > 0, "nothing was resumed");
    assert.equal(result.bytesResumed + result.bytesSaved + result.bytesSent, data.length);
    assert.equal(new Set(transport.sent).size, transport.sent.length, "a chunk was sent twice");
    assert.equal(transport.sent.length - before, result.newChunks);
    assert.deepEqual(await collect(download(result.rootDigest, { transport })), Buffer.from(data));
    const again = await upload(file, settings);
    assert.equal(again.bytesResumed, 0, "the record outlives the upload");
  }
});

test("reading restarts at the cut: the bytes before it are not read again", async () => {
  const chunks = await chunk(data, { profile });
  const confirmed = chunks.slice(0, 30).map(({ hashHex, length }) => ({ digest: hashHex, length }));
  const transport = new MemoryTransport();
  for (const { hashHex, offset, length } of chunks) {
    transport.chunks.set(hashHex, data.slice(offset, offset + length));
  }
  const resume = new MemoryResumeStore();
  await resume.append("key", 0, confirmed);
  const offsets: number[] = [];
  const onChunk = ({ state, offset }: ChunkEvent) => {
    if (state === "found") offsets.push(offset);
  };
  const blob = new Blob([data]);
  const result = await upload(blob, { transport, profile, resume, resumeKey: "key", onChunk });
  assert.equal(offsets[0], chunks[30]?.offset);
  assert.equal(offsets.length, chunks.length - 30);
  assert.equal(result.chunks, chunks.length);
  const whole = await upload(blob, { transport: new MemoryTransport(), profile });
  assert.equal(result.rootDigest, whole.rootDigest);
});

test("a changed file of the same name, size and date is not resumed", async () => {
  const confirmed = (await chunk(data, { profile }))
    .slice(0, 30)
    .map(({ hashHex, length }) => ({ digest: hashHex, length }));
  const resume = new MemoryResumeStore();
  await resume.append("key", 0, confirmed);
  const transport = new MemoryTransport();
  const other = randomBytes(data.length, 9);
  const settings = { transport, profile, resume, resumeKey: "key" };
  const result = await upload(new Blob([other]), settings);
  assert.equal(result.bytesResumed, 0);
  assert.deepEqual(await collect(download(result.rootDigest, { transport })), Buffer.from(other));
});

test("a recorded chunk that the server has lost is sent again", async () => {
  const chunks = await chunk(data, { profile });
  const confirmed = chunks.slice(0, 30).map(({ hashHex, length }) => ({ digest: hashHex, length }));
  const resume = new MemoryResumeStore();
  await resume.append("key", 0, confirmed);
  const transport = new MemoryTransport();
  for (const { hashHex, offset, length } of chunks.slice(0, 30)) {
    transport.chunks.set(hashHex, data.slice(offset, offset + length));
  }
  transport.chunks.delete(chunks[12]?.hashHex ?? "");
  const settings = { transport, profile, resume, resumeKey: "key" };
  const result = await upload(new Blob([data]), settings);
  assert.equal(result.bytesResumed, chunks[12]?.offset);
  assert.equal(transport.sent[0], chunks[12]?.hashHex);
});

test("a resume store that fails costs only the resumption", async () => {
  const fail = async () => {
    throw new Error("no space");
  };
  const resume = { load: fail, append: fail, delete: fail };
  const transport = new MemoryTransport();
  const settings = { transport, profile, resume, resumeKey: "key" };
  assert.equal((await upload(new Blob([data]), settings)).bytesSent, data.length);
  resume.load = async () => [] as never;
  assert.equal((await upload(new Blob([data]), settings)).bytesSaved, data.length);
});

test("chunks that the server loses before the commit are sent again, if the source allows", async () => {
  const lose = (transport: MemoryTransport) => {
    transport.fault = ({ method, count }) => {
      if (method !== "putManifest" || count > 0) return;
      for (const digest of transport.sent.slice(0, 7)) transport.chunks.delete(digest);
    };
  };
  for (const source of [data, new Blob([data])]) {
    const transport = new MemoryTransport();
    lose(transport);
    const result = await upload(source, { transport, profile });
    assert.ok(result.bytesSent > data.length);
    assert.deepEqual(await collect(download(result.rootDigest, { transport })), Buffer.from(data));
  }
  const transport = new MemoryTransport();
  lose(transport);
  const stream = new Blob([data]).stream();
  assert.equal(await codeOf(upload(stream, { transport, profile })), "chunks_missing");
});

test("a server that loses whatever it confirms ends the upload", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method }) => {
    if (method === "putManifest") transport.chunks.clear();
  };
  assert.equal(await codeOf(upload(data, { transport, profile })), "chunks_missing");
  assert.equal(transport.calls.get("putManifest"), 2);
});

test("a source that is not as long as announced is noticed and not committed", async () => {
  for (const size of [data.length - 1, data.length + 1, 0]) {
    const transport = new MemoryTransport();
    const stream = new Blob([data]).stream();
    assert.equal(await codeOf(upload(stream, { transport, profile, size })), "source_changed");
    assert.equal(transport.manifests.size, 0);
  }
});

test("a file that can no longer be read is a typed error with its cause", async (t) => {
  const path = join(await temporaryDirectory(t), "file");
  await writeFile(path, data);
  const file = await openAsBlob(path);
  await writeFile(path, data.subarray(5));
  const transport = new MemoryTransport();
  const error = await upload(file, { transport, profile }).catch((e) => e);
  assert.equal(error.code, "source_unreadable");
  assert.ok(error.cause instanceof Error);
  assert.equal(transport.manifests.size, 0);
});

test("wrong options are refused before anything is sent", async () => {
  const transport = new MemoryTransport();
  const resume = new MemoryResumeStore();
  const cases: [object, string][] = [
    [{ concurrency: 0 }, "invalid_argument"],
    [{ concurrency: 1.5 }, "invalid_argument"],
    [{ maxBytesInFlight: -1 }, "invalid_argument"],
    [{ profile: { avgSize: 3 } }, "invalid_chunking_options"],
    [{ profile: { minSize: 1024.5, avgSize: 4096, maxSize: 8192 } }, "invalid_chunking_options"],
    [{ resume }, "invalid_argument"],
    [{ chunkSize: 5 }, "invalid_argument"],
    [{ compression: "gzip" }, "invalid_argument"],
    [{ compressionLevel: 3 }, "invalid_argument"],
    [{ compression: "zstd", compressionLevel: 0 }, "invalid_argument"],
    [{ compression: "zstd", compressionLevel: 20 }, "invalid_argument"],
  ];
  for (const [wrong, code] of cases) {
    assert.equal(await codeOf(upload(data, { transport, ...wrong })), code, JSON.stringify(wrong));
  }
  assert.equal(await codeOf(upload(new Blob([data]), { transport, resume })), "invalid_argument");
  assert.equal(transport.calls.size, 0);
});

test("a download rejects a wrong manifest, a wrong chunk and a wrong length", async () => {
  const transport = new MemoryTransport();
  const { rootDigest } = await upload(data, { transport, profile });
  const other = await upload(data.subarray(1), { transport, profile });
  const [digest = ""] = transport.sent;
  const right = transport.chunks.get(digest) as Uint8Array;
  const read = () => codeOf(collect(download(rootDigest, { transport })));
  transport.chunks.set(digest, right.with(0, (right[0] ?? 0) ^ 1));
  assert.equal(await read(), "chunk_digest_mismatch");
  transport.chunks.set(digest, right.subarray(1));
  assert.equal(await read(), "chunk_length_mismatch");
  transport.chunks.set(digest, right);
  const manifest = transport.manifests.get(rootDigest) as Uint8Array;
  transport.manifests.set(rootDigest, transport.manifests.get(other.rootDigest) as Uint8Array);
  assert.equal(await read(), "digest_mismatch");
  transport.manifests.set(rootDigest, manifest.subarray(1));
  assert.equal(await read(), "invalid_manifest");
  transport.manifests.set(rootDigest, manifest);
  assert.equal(await read(), "resolved");
  assert.equal(await codeOf(collect(download("../x", { transport }))), "invalid_argument");
  assert.equal(
    await codeOf(collect(download(toHex(randomBytes(32, 5)), { transport }))),
    "manifest_not_found",
  );
});

test("a download retries, aborts, and stops when its consumer leaves", async () => {
  const transport = new MemoryTransport();
  const { rootDigest } = await upload(data, { transport, profile });
  transport.fault = ({ count }) => {
    if (count % 3 === 0) throw new DedupError("network_error", "", { retryable: true });
  };
  const all = await collect(download(rootDigest, { transport, retry: QUICK }));
  assert.deepEqual(all, Buffer.from(data));
  transport.fault = () => {};
  const controller = new AbortController();
  const { signal } = controller;
  const onProgress = () => controller.abort();
  const running = collect(download(rootDigest, { transport, signal, onProgress }));
  assert.equal(await codeOf(running), "aborted");
  transport.calls.clear();
  for await (const _ of download(rootDigest, { transport, concurrency: 2 })) break;
  assert.ok((transport.calls.get("getChunk") ?? 0) <= 2);
});
