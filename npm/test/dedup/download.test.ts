import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Chunk, ChunkerError } from "chunker-cdc";
import { compress } from "chunker-cdc/codecs";
import {
  DedupError,
  type DownloadOptions,
  type DownloadProgress,
  download,
  upload,
} from "chunker-cdc/dedup";
import {
  codeOf,
  collect,
  hanging,
  inPieces,
  MemoryTransport,
  QUICK,
  randomBytes,
  SMALL,
  splitMix64,
  temporaryDirectory,
  WRONG_RETRIES,
} from "./support.js";
import { type PackChunk, packOf } from "./wire.js";

const data = randomBytes(300_001, 1);
const profile = SMALL;

/** A transport to a store that has a file of these bytes, and the file's name. */
async function stored(bytes: Uint8Array<ArrayBuffer>) {
  const transport = new MemoryTransport();
  const { root, manifest } = await upload(bytes, { transport, profile });
  transport.calls.clear();
  return { transport, root, manifest };
}

test("a download without reuse takes one request", async () => {
  const { transport, root } = await stored(randomBytes(5_000_000, 2));
  assert.equal((await collect(download(root, { transport }))).length, 5_000_000);
  transport.calls.delete("readChunks"); // the same request: it has these chunks
  assert.deepEqual([...transport.calls], [["readFile", 1]]);
  const range = { start: 1_000_000, end: 3_000_000 };
  assert.equal((await collect(download(root, { transport, range }))).length, 2_000_000);
  assert.equal(transport.calls.get("readFile"), 2);
});

test("verified chunks are handed on when the server pauses, and leaving then ends the request", {
  timeout: 30_000,
}, async () => {
  const bytes = randomBytes(3_000_000, 5);
  for (const profile of [SMALL, "small", "medium"] as const) {
    const transport = new MemoryTransport();
    const { root, manifest } = await upload(bytes, { transport, profile });
    const half = manifest.chunks[manifest.chunks.length >> 1] as Chunk;
    const sent = 8 + 40 * manifest.chunks.length + half.offset + (half.length >> 1);
    for (const size of [1000, 500_000, sent]) {
      let reason: unknown;
      transport.readChunks = async (hash, digests, { signal }) => {
        const pack = transport.store.readChunks(hash, digests).subarray(0, sent);
        return (async function* () {
          yield* inPieces(pack, size);
          await hanging(signal).catch((error) => (reason = error));
        })();
      };
      const parts: Uint8Array[] = [];
      let received = 0;
      for await (const bytes of download(root, { transport })) {
        parts.push(bytes);
        received += bytes.length;
        if (received >= half.offset) break;
      }
      assert.ok(Buffer.concat(parts).equals(bytes.subarray(0, half.offset)), `${size} at a time`);
      await sleep(10);
      assert.equal((reason as ChunkerError).code, "aborted");
    }
  }
});

test("a stream can be cancelled while the server says nothing", async () => {
  const { transport, root } = await stored(data);
  let signal: AbortSignal | undefined;
  transport.readChunks = (_hash, _digests, options) => {
    signal = options.signal;
    return hanging(options.signal);
  };
  const reader = download(root, { transport }).stream().getReader();
  const reading = reader.read();
  while (signal === undefined) await sleep(1);
  await reader.cancel();
  assert.equal((await reading).done, true);
  assert.equal(signal.aborted, true);
});

test("no chunk is fetched twice, however often the file repeats it (law 10)", async () => {
  const zeros = new Uint8Array(2_000_000);
  const mixed = new Uint8Array(1_200_004);
  for (let at = 0; at < 4; at += 1) mixed.set(data, at * data.length);
  for (const bytes of [zeros, mixed]) {
    const { transport, root } = await stored(bytes);
    const { read } = transport.store;
    const progress: DownloadProgress[] = [];
    const onProgress = (now: DownloadProgress) => progress.push(now);
    const all = await collect(download(root, { transport, onProgress }));
    assert.deepEqual(all, Buffer.from(bytes));
    assert.equal(read.length, new Set(read).size);
    const { bytesReceived, bytesOnWire, bytesReused } = progress.at(-1) as DownloadProgress;
    assert.equal(bytesReceived, bytes.length);
    assert.equal(bytesOnWire + bytesReused, bytes.length);
    read.length = 0;
    // Where the place is known nothing is held.
    const path = join(await temporaryDirectory(), "file");
    await download(root, { transport, maxBytesHeld: 0 }).writeTo(path);
    assert.deepEqual(await readFile(path), Buffer.from(bytes));
    assert.equal(read.length, new Set(read).size);
    read.length = 0;
    // What may not be held is fetched again, and right.
    assert.deepEqual(await collect(download(root, { transport, maxBytesHeld: 0 })), all);
    assert.ok(read.length > new Set(read).size);
  }
});

test("any range is that part of the file, and only its chunks are fetched", async () => {
  const { transport, root, manifest } = await stored(data);
  const random = splitMix64(3);
  const directory = await temporaryDirectory();
  const ranges: [number | undefined, number | undefined][] = [
    [undefined, undefined],
    [0, 0],
    [0, 1],
    [data.length - 1, undefined],
    [data.length, undefined],
    [5, 2 * data.length],
  ];
  for (let n = 0; n < 40; n += 1) {
    const start = Number(random() % BigInt(data.length));
    ranges.push([start, start + Number(random() % 30_000n)]);
  }
  for (const [start, end] of ranges) {
    transport.store.read.length = 0;
    const range = { start, end };
    const expected = Buffer.from(data.subarray(start ?? 0, end));
    assert.deepEqual(await collect(download(root, { transport, range })), expected);
    const covering = manifest.chunks.filter(
      ({ offset, length }) =>
        offset < Math.min(end ?? data.length, data.length) && offset + length > (start ?? 0),
    );
    assert.equal(transport.store.read.length, expected.length === 0 ? 0 : covering.length);
    const path = join(directory, "part");
    await download(root, { transport, range }).writeTo(path);
    assert.deepEqual(await readFile(path), expected);
  }
  for (const range of [{ start: -1 }, { end: 0.5 }, { from: 3 }, { start: 9, end: 3 }]) {
    const options = { transport, range } as DownloadOptions;
    await assert.rejects(async () => collect(download(root, options)), {
      code: "invalid_argument",
    });
  }
  const behind = { start: data.length + 1 };
  const reading = collect(download(root, { transport, range: behind }));
  assert.equal(await codeOf(reading), "invalid_argument");
});

test("of an older copy only what is new is fetched, from a Blob, bytes or a path", async () => {
  const edited = Buffer.concat([
    data.subarray(0, 100_000),
    Buffer.from("inserted"),
    data.subarray(100_000),
    data.subarray(0, 50_000),
  ]);
  const { transport, root } = await stored(new Uint8Array(edited));
  const directory = await temporaryDirectory();
  const old = join(directory, "old");
  await writeFile(old, data);
  for (const reuse of [data, new Blob([data]), old]) {
    transport.store.read.length = 0;
    const reading = download(root, { transport, reuse });
    assert.deepEqual(await collect(reading), edited);
    const { bytesOnWire, bytesReused, bytesReceived } = reading.progress;
    assert.ok(transport.store.read.length <= 6, `${transport.store.read.length} chunks fetched`);
    assert.ok(bytesOnWire < 40_000);
    assert.equal(bytesReceived, edited.length);
    assert.ok(bytesReused > 250_000);
  }
  // The file itself: it is replaced when the new one is whole.
  await download(root, { transport, reuse: old }).writeTo(old);
  assert.deepEqual(await readFile(old), edited);
  assert.deepEqual(await readdir(directory), ["old"]);
  assert.equal(
    await codeOf(collect(download(root, { transport, reuse: join(directory, "none") }))),
    "ENOENT",
  );
});

test("an older copy that changes while it is used costs only what changed", async () => {
  const { transport, root } = await stored(data);
  const old = join(await temporaryDirectory(), "old");
  for (const write of [false, true]) {
    await writeFile(old, data);
    transport.store.read.length = 0;
    let changed = false;
    transport.fault = () => {};
    const change = async () => {
      if (changed) return;
      changed = true;
      await writeFile(old, Buffer.concat([data.subarray(0, 200_000), Buffer.alloc(100_001)]));
    };
    if (write) {
      const parts: Buffer[] = [];
      const destination = new WritableStream<Uint8Array>({
        async write(bytes) {
          await change();
          parts.push(Buffer.from(bytes));
        },
      });
      await download(root, { transport, reuse: old }).writeTo(destination);
      assert.deepEqual(Buffer.concat(parts), Buffer.from(data));
    } else {
      const all: Uint8Array[] = [];
      for await (const bytes of download(root, { transport, reuse: old })) {
        await change();
        all.push(bytes);
      }
      assert.deepEqual(Buffer.concat(all), Buffer.from(data));
    }
    const { length } = transport.store.read;
    assert.ok(length > 5 && length < 60, `${length} chunks fetched`);
  }
});

test("a download goes to a stream, a file, and what can be written at any place", async () => {
  const { transport, root } = await stored(data);
  const parts: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({ write: (bytes) => void parts.push(bytes) });
  const { bytesReceived, totalBytes } = await download(root, { transport }).writeTo(stream);
  assert.deepEqual([bytesReceived, totalBytes], [data.length, data.length]);
  assert.deepEqual(Buffer.concat(parts), Buffer.from(data));
  assert.deepEqual(
    Buffer.from(await new Response(download(root, { transport }).stream()).arrayBuffer()),
    Buffer.from(data),
  );
  const seekable = new SeekableFile();
  await download(root, { transport }).writeTo(seekable);
  assert.deepEqual(seekable.bytes, Buffer.from(data));
  assert.deepEqual(seekable.calls, ["truncate", "close"]);
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, "something longer, or shorter, that was there before");
  await download(root, { transport }).writeTo(path);
  assert.deepEqual(await readFile(path), Buffer.from(data));
});

/** What a browser's `FileSystemWritableFileStream` does. */
class SeekableFile extends WritableStream {
  bytes = Buffer.alloc(0);
  readonly calls: string[] = [];

  async write({ position, data }: { position: number; data: Uint8Array }) {
    const length = Math.max(this.bytes.length, position + data.length);
    this.bytes = Buffer.concat([this.bytes, Buffer.alloc(length - this.bytes.length)]);
    this.bytes.set(data, position);
  }

  async truncate() {
    this.calls.push("truncate");
  }

  override async close() {
    this.calls.push("close");
  }

  override async abort() {
    this.calls.push("abort");
  }
}

test("a download that fails leaves no file, and the one before as it was", async () => {
  const { transport, root } = await stored(data);
  const directory = await temporaryDirectory();
  const path = join(directory, "file");
  await writeFile(path, "before");
  transport.chunks.delete(`sha256-${transport.sent.at(-1)}`);
  assert.equal(await codeOf(download(root, { transport }).writeTo(path)), "chunk_not_found");
  assert.deepEqual(await readdir(directory), ["file"]);
  assert.equal(await readFile(path, "utf8"), "before");
  const seekable = new SeekableFile();
  assert.equal(await codeOf(download(root, { transport }).writeTo(seekable)), "chunk_not_found");
  assert.deepEqual(seekable.calls, ["abort"]);
});

test("a wrong manifest, a wrong chunk and a wrong length are found before they are handed on", async () => {
  const { transport, root } = await stored(data);
  const other = await upload(data.subarray(1), { transport, profile });
  const name = `sha256-${transport.sent[0]}`;
  const right = transport.chunks.get(name) as Uint8Array;
  const read = () => codeOf(collect(download(root, { transport })));
  transport.chunks.set(name, right.with(0, (right[0] ?? 0) ^ 1));
  assert.equal(await read(), "chunk_digest_mismatch");
  transport.chunks.set(name, right.subarray(1));
  assert.equal(await read(), "protocol_error");
  transport.chunks.delete(name);
  assert.equal(await read(), "chunk_not_found");
  transport.chunks.set(name, right);
  const manifest = transport.manifests.get(root) as Uint8Array;
  transport.manifests.set(root, transport.manifests.get(other.root) as Uint8Array);
  assert.equal(await read(), "digest_mismatch");
  transport.manifests.set(root, manifest.subarray(1));
  assert.equal(await read(), "invalid_manifest");
  transport.manifests.set(root, manifest);
  assert.equal(await read(), "resolved");
  const maxManifestBytes = 100;
  const small = collect(download(root, { transport, maxManifestBytes }));
  assert.equal(await codeOf(small), "manifest_too_large");
  for (const wrong of ["../x", "0".repeat(64), "", "md5-00", undefined]) {
    assert.throws(() => download(wrong as string, { transport }), { code: "invalid_argument" });
  }
  const absent = `sha256-${"0".repeat(64)}`;
  assert.equal(await codeOf(collect(download(absent, { transport }))), "root_not_found");
});

test("an answer that is cut goes on where it was; progress starts the attempts over", async () => {
  const { transport, root, manifest } = await stored(data);
  const { readChunks } = transport;
  let requests = 0;
  transport.readChunks = async (...args) => {
    requests += 1;
    const pieces = await readChunks.apply(transport, args);
    return (async function* () {
      let bytes = 0;
      for await (const piece of pieces) {
        if (bytes > 0) throw new DedupError("network_error", "cut", { retryable: true });
        bytes += piece.length;
        yield piece;
      }
    })();
  };
  transport.store.read.length = 0;
  const retry = { ...QUICK, attempts: 2 };
  const all = await collect(download(root, { transport, retry }));
  assert.deepEqual(all, Buffer.from(data));
  assert.ok(requests > 3 && requests < manifest.chunks.length, `${requests} requests`);
});

test("a download takes as much of its answer as is right, and ends where the chunks end", async () => {
  const { transport, root, manifest } = await stored(data);
  const pieces = manifest.chunks.map(({ hash: _, offset, length }) => {
    return { hash: manifest.hash, bytes: data.subarray(offset, offset + length) };
  });
  const { head } = transport.store.download(root);
  const manyChunks = packOf(pieces);
  new DataView(manyChunks.buffer).setUint32(4, 0xffffffff, true);
  const [first, second, ...others] = pieces as [PackChunk, PackChunk, ...PackChunk[]];
  const cases: [string, Uint8Array, DownloadOptions["range"], string][] = [
    ["fewer chunks", packOf(pieces.slice(0, 3)), {}, "resolved"],
    ["more chunks", packOf(pieces), { end: 10_000 }, "resolved"],
    ["more chunks than none", packOf(pieces), { start: 10, end: 10 }, "resolved"],
    ["no chunks", packOf([]), {}, "protocol_error"],
    ["more chunks than the file", manyChunks, { start: 10, end: 10 }, "protocol_error"],
    ["another order", packOf([second, first, ...others]), {}, "protocol_error"],
    ["a chunk twice", packOf([first, first, ...others]), {}, "protocol_error"],
  ];
  for (const [name, pack, range, code] of cases) {
    let isLeft = false;
    transport.readFile = async () =>
      (async function* () {
        try {
          yield head;
          for (;;) {
            yield* inPieces(pack, 50_000);
            await sleep(1);
          }
        } finally {
          isLeft = true;
        }
      })();
    const { start = 0, end } = range ?? {};
    const reading = collect(download(root, { transport, range }));
    assert.equal(await codeOf(reading), code, name);
    if (code === "resolved")
      assert.deepEqual(await reading, Buffer.from(data.subarray(start, end)));
    await sleep(5);
    assert.ok(isLeft, name);
  }
});

test("what cannot be had compressed is asked for as it is, and the rest compressed again", async () => {
  const { transport, root } = await stored(data);
  const { readChunks } = transport;
  /** After how many pieces each answer is cut: the second has no chunk. */
  const cuts = [1, 0, 1];
  const encodings: unknown[] = [];
  transport.readChunks = async (...args) => {
    encodings.push((args[2] as { encoding?: string }).encoding);
    const pieces = await readChunks.apply(transport, args);
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY;
    return (async function* () {
      for await (const piece of pieces) {
        if (left === 0) throw new DedupError("network_error", "cut", { retryable: true });
        left -= 1;
        yield piece;
      }
    })();
  };
  const all = await collect(download(root, { transport, compression: "zstd", retry: QUICK }));
  assert.deepEqual(all, Buffer.from(data));
  assert.deepEqual(encodings, ["zstd", "zstd", undefined, "zstd"]);
});

test("wrong bytes are asked for again once, to be verified by the server, and never handed on", async () => {
  for (const isHealed of [true, false]) {
    const { transport, root, manifest } = await stored(data);
    const wrong = manifest.chunks[3] as Chunk;
    const right = transport.chunks.get(`sha256-${wrong.hashHex}`) as Uint8Array;
    const asked: unknown[] = [];
    transport.readChunks = async (hash, digests, { encoding, verify }) => {
      asked.push({ encoding, verify });
      const isWrong = verify === undefined || !isHealed;
      transport.chunks.set(
        `sha256-${wrong.hashHex}`,
        isWrong ? right.map((byte) => byte ^ 1) : right,
      );
      return inPieces(transport.store.readChunks(hash, digests), 65_536);
    };
    const parts: Uint8Array[] = [];
    const reading = (async () => {
      const options: DownloadOptions = { transport, compression: "zstd", retry: QUICK };
      for await (const part of download(root, options)) parts.push(part);
    })();
    if (isHealed) await reading;
    else assert.equal(await codeOf(reading), "chunk_digest_mismatch");
    const expected = data.subarray(0, isHealed ? data.length : wrong.offset);
    assert.ok(Buffer.concat(parts).equals(expected));
    assert.deepEqual(asked, [
      { encoding: "zstd", verify: undefined },
      { encoding: undefined, verify: "digest" },
    ]);
  }
});

test("a download that fails to open is asked for uncompressed only if the answer was damaged or cut", async () => {
  const { transport, root } = await stored(data);
  const failures: [string, unknown][] = [
    ["zstd", new DedupError("network_error", "", { retryable: true })],
    ["zstd", new DedupError("server_busy", "", { status: 503, retryable: true })],
    ["as it is", new DedupError("chunk_damaged", "", { status: 500, retryable: true })],
    ["as it is", "cut"],
  ];
  for (const [expected, failure] of failures) {
    const encodings: unknown[] = [];
    const faulty: typeof transport.readFile = async (root, options) => {
      encodings.push(options.encoding ?? "as it is");
      if (encodings.length > 1)
        return MemoryTransport.prototype.readFile.call(transport, root, options);
      if (failure !== "cut") throw failure;
      const { head } = transport.store.download(root);
      return inPieces(head.subarray(0, 100), 50);
    };
    transport.readFile = faulty as typeof transport.readFile;
    const all = await collect(download(root, { transport, compression: "zstd", retry: QUICK }));
    assert.deepEqual(all, Buffer.from(data));
    assert.deepEqual(encodings, ["zstd", expected]);
  }
});

test("an answer may arrive in pieces of any length, even of one byte", async () => {
  const bytes = new Uint8Array(300_001);
  bytes.set(randomBytes(150_001, 13), 150_000);
  const transport = new MemoryTransport();
  // The first chunk arrives compressed, and the next ones as they are.
  const profile = { minSize: 130_000, avgSize: 140_000, maxSize: 150_000 };
  const { root } = await upload(bytes, { transport, profile });
  let size = 1;
  transport.readChunks = async (hash, digests) => {
    const chunks: PackChunk[] = [];
    for (let at = 0; at < digests.length; at += 32) {
      const name = `${hash}-${Buffer.from(digests.subarray(at, at + 32)).toString("hex")}`;
      const chunk = transport.chunks.get(name) as Uint8Array;
      const encoded = await compress("zstd", chunk);
      chunks.push({ hash, bytes: chunk, ...(encoded.length < chunk.length ? { encoded } : {}) });
    }
    return inPieces(packOf(chunks), size);
  };
  for (const [bytesPerPiece, start, end] of [
    [1, 0, bytes.length],
    [100, 149_999, 150_001],
    [4095, 1, bytes.length - 1],
    [70_000, 0, bytes.length],
  ] as const) {
    size = bytesPerPiece;
    const options: DownloadOptions = { transport, compression: "zstd", range: { start, end } };
    const found = await collect(download(root, options));
    assert.ok(Buffer.from(found).equals(bytes.subarray(start, end)), `${size} bytes per piece`);
  }
});

test("memory stays bounded while a consumer waits, however well the chunks are compressed", async () => {
  // Text of one line each 64 bytes: chunks that differ, and shrink to a hundredth.
  const lines = Array.from({ length: 2 ** 19 }, (_, line) => `${line}`.padStart(63, "."));
  const bytes = new TextEncoder().encode(lines.join("\n"));
  const { transport, root } = await stored(bytes);
  let given = 0;
  transport.readChunks = async (hash, digests) => {
    const chunks = Array.from({ length: digests.length / 32 }, (_, at) => {
      const name = `${hash}-${Buffer.from(digests.subarray(32 * at, 32 * at + 32)).toString("hex")}`;
      return transport.chunks.get(name) as Uint8Array;
    });
    const encoded = await Promise.all(chunks.map((chunk) => compress("zstd", chunk)));
    const pack = packOf(
      chunks.map((bytes, at) => ({ hash, bytes, encoded: encoded[at] as Uint8Array })),
    );
    return (async function* () {
      const start = 8 + 40 * chunks.length;
      yield pack.subarray(0, start);
      let at = start;
      for (const [index, { length }] of encoded.entries()) {
        yield pack.subarray(at, at + length);
        at += length;
        given += chunks[index]?.length ?? 0;
      }
    })();
  };
  const pieces = download(root, { transport, compression: "zstd" })[Symbol.asyncIterator]();
  const first = await pieces.next();
  await sleep(1000);
  assert.ok(given < 8_000_000, `${given} bytes of chunks were taken ahead`);
  const parts = [first.value as Uint8Array];
  for await (const piece of pieces) parts.push(piece);
  assert.ok(Buffer.concat(parts).equals(bytes));
});

test("an abort gets through wherever a download stands, and leaving ends its request (law 2)", {
  timeout: 10_000,
}, async () => {
  const { transport, root } = await stored(data);
  const never = () => new Promise<never>(() => {});
  const requests = [
    { method: "readFile" },
    { method: "readChunks" },
    { method: "limits", reuse: data },
    { method: "getManifest", reuse: data },
  ];
  for (const { method, ...options } of requests) {
    for (const hang of [hanging, never]) {
      const controller = new AbortController();
      transport.fault = (request) => {
        if (request.method !== method) return;
        setImmediate(() => controller.abort());
        return hang(request.signal);
      };
      const { signal } = controller;
      const reading = collect(download(root, { transport, signal, ...options }));
      assert.equal(await codeOf(reading), "aborted", method);
    }
  }
  transport.fault = () => {};
  let left = 0;
  let onStuck = () => {};
  class StuckTransport extends MemoryTransport {
    override readonly store = transport.store;

    override async readChunks(hash: "sha256", digests: Uint8Array) {
      const bytes = this.store.readChunks(hash, digests).subarray(0, 250_000);
      const answers = [{ done: false, value: bytes }];
      const next = async () => {
        const answer = answers.shift();
        if (answer === undefined) setImmediate(() => onStuck());
        return answer ?? never();
      };
      const end = async () => {
        left += 1;
        return { done: true as const, value: undefined };
      };
      return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
    }
  }
  const stuck = new StuckTransport();
  const controller = new AbortController();
  onStuck = () => controller.abort();
  const reading = collect(download(root, { transport: stuck, signal: controller.signal }));
  assert.equal(await codeOf(reading), "aborted");
  assert.equal(left, 1);
  for await (const _ of download(root, { transport: stuck })) break;
  await sleep(10);
  assert.equal(left, 2);
  const onProgress = () => controller.abort();
  const signal = controller.signal;
  assert.equal(await codeOf(collect(download(root, { transport, signal, onProgress }))), "aborted");
});

test("wrong options are refused before anything is asked", async () => {
  const { transport, root } = await stored(data);
  const any = download as (...of: unknown[]) => unknown;
  const wrong = [
    { transport: {} },
    { range: { begin: 2 } },
    { range: [2] },
    { range: 5 },
    { signal: 5 },
    { onProgress: 5 },
    ...WRONG_RETRIES.map((retry) => ({ retry })),
  ].map((options) => ({ transport, ...options }));
  const asked = transport.calls.size;
  for (const options of [undefined, null, {}, ...wrong]) {
    assert.throws(() => any(root, options), { code: "invalid_argument" });
  }
  assert.equal(transport.calls.size, asked);
});

test("a download is read once", async () => {
  const { transport, root } = await stored(data);
  const once = download(root, { transport });
  await collect(once);
  assert.equal(await codeOf(collect(once)), "invalid_argument");
});

test("pieces are the caller's own: it may write over them, and give their buffers away", async () => {
  const parts = [new Uint8Array(3_000_000), data, data, randomBytes(3_000_000, 4)];
  const bytes = new Uint8Array(Buffer.concat(parts));
  for (const profile of [SMALL, "medium", "large"] as const) {
    const transport = new MemoryTransport();
    const { root, manifest } = await upload(bytes, { transport, profile });
    let at = 0;
    const reading = download(root, { transport });
    for await (const piece of reading) {
      assert.ok(Buffer.from(piece).equals(bytes.subarray(at, at + piece.length)), `at ${at}`);
      at += piece.length;
      const complete = manifest.chunks.filter(({ offset, length }) => offset + length <= at);
      assert.equal(reading.progress.chunks, complete.length);
      piece.fill(1);
      structuredClone(piece, { transfer: [piece.buffer] });
    }
    assert.equal(at, bytes.length);
  }
});
