import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import * as api from "chunker-cdc";
import type * as Load from "../dist/load.js";
import { moduleOf } from "./builds.js";
import { assertRefused, detached, type Hostile } from "./hostile.js";
import { splitMix64 } from "./inputs.js";
import { SMALL } from "./laws.js";

// The CommonJS files are a second instance of the package, which the tests load last.
const require = createRequire(import.meta.url);
const unloaded = require("../dist/cjs/index.js") as typeof api;
const load = require("../dist/cjs/load.js") as typeof Load;

const data = splitMix64(1, 5000);
const found = await api.chunk(data, { profile: SMALL });
const manifest = api.Manifest.create(SMALL, found);
const canonical = manifest.toBytes();
const json = JSON.parse(JSON.stringify(manifest));
const first = () => data.slice(0, found[0]?.length);

/** Calls the API as JavaScript may: with anything. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments are wrong on purpose
const any = api as any;

const outOfBounds = () => {
  // biome-ignore lint/suspicious/noExplicitAny: resizable buffers are newer than our library
  const buffer = new (ArrayBuffer as any)(100, { maxByteLength: 200 });
  const bytes = new Uint8Array(buffer, 50, 50);
  buffer.resize(60);
  return bytes;
};
const shared = () => new Uint8Array(new SharedArrayBuffer(100));
const finished = () => {
  const chunker = new api.Chunker();
  chunker.finish();
  return chunker;
};
const disposed = <T extends { [Symbol.dispose](): void }>(handle: T): T => {
  handle[Symbol.dispose]();
  handle[Symbol.dispose]();
  return handle;
};
const edited = (at: number, byte: number) => canonical.map((old, i) => (i === at ? byte : old));
const over = (changes: object) => any.Manifest.fromJSON({ ...json, ...changes });
const overChunk = (changes: object) =>
  over({ chunks: [{ ...json.chunks[0], ...changes }, ...json.chunks.slice(1)] });
const chunker = (profile: unknown) => new any.Chunker({ profile });
const parsed = () => api.Manifest.parse(canonical);
const verify = (options: unknown) => any.Manifest.parse(canonical).verify(data, options);
const reassemble = (fetch: unknown, options?: unknown) =>
  any.Manifest.parse(canonical).reassemble(fetch, options).next();
const read = async (source: unknown, options?: unknown) => {
  for await (const _ of any.chunks(source, options));
};

const wrongSizes: unknown[] = [
  -2,
  65.5,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  1e300,
  "128",
  null,
  true,
  128n,
  {},
  [],
];
/** A string is the path of a file, which is not there. */
const refusalOf = (source: unknown) =>
  typeof source === "string" ? "io_error" : "invalid_argument";
const wrongBytes: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a string", "bytes"],
  ["a number", 5],
  ["an array", [1, 2, 3]],
  ["an object like an array", { length: 3, 0: 1, byteLength: 3, buffer: new ArrayBuffer(3) }],
  ["a proxy of bytes", new Proxy(new Uint8Array(3), {})],
  ["a detached buffer", detached().buffer],
  ["a detached view", detached()],
  [
    "a detached DataView",
    (() => {
      const view = new DataView(new ArrayBuffer(8));
      structuredClone(view.buffer, { transfer: [view.buffer] });
      return view;
    })(),
  ],
  ["a view behind its resized buffer", outOfBounds()],
  ["a SharedArrayBuffer", new SharedArrayBuffer(8)],
  ["a view of shared memory", shared()],
];

const HOSTILE: Hostile[] = [
  ...wrongSizes.flatMap((size): Hostile[] =>
    ["minSize", "avgSize", "maxSize"].map((key) => [
      `${key} ${typeof size} ${String(size)}`,
      () => chunker({ [key]: size }),
      "invalid_chunking_options",
    ]),
  ),
  ...[
    { minSize: 62 },
    { minSize: 65 },
    { avgSize: 2 ** 20 + 1 },
    { maxSize: 2 ** 22 - 1 },
    { minSize: 2 ** 21 },
    { avgSize: 2 ** 23 },
    { avgSize: 2 ** 24 + 2, maxSize: 2 ** 25 },
    { maxSize: 2 ** 30 + 2 },
    { maxSize: 2 ** 32 },
    { maxSize: 2 ** 32 + 2 ** 22 },
    { level: -1 },
    { level: 4 },
    { level: 256 + 1 },
    { level: 2 ** 32 + 1 },
    { level: 1.5 },
    { level: "2" },
    { level: 2n },
    { level: null },
    // The table of masks ends before.
    { level: 3, avgSize: 2 ** 24, maxSize: 2 ** 25 },
    { seed: -1 },
    { seed: -1n },
    { seed: 2n ** 64n },
    { seed: -(2n ** 63n) },
    { seed: 2n ** 200n },
    { seed: 2 ** 53 },
    { seed: 2 ** 64 },
    { seed: 0.5 },
    { seed: Number.NaN },
    { seed: Infinity },
    { seed: "666" },
    { seed: null },
    { seed: true },
    { seed: {} },
    { seed: Symbol("seed") },
  ].map((fields): Hostile => {
    const what = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
    return [what.join(", "), () => chunker(fields), "invalid_chunking_options"];
  }),
  ...["sha512", "SHA256", "", "sha256 "].map(
    (hash): Hostile => [
      `hash ${JSON.stringify(hash)}`,
      () => chunker({ hash }),
      "unknown_hash_algorithm",
    ],
  ),
  ...[256, null, {}, 1n].map(
    (hash): Hostile => [
      `hash ${typeof hash} ${String(hash)}`,
      () => chunker({ hash }),
      "invalid_argument",
    ],
  ),
  ...[
    "",
    "Large",
    "default",
    "sha256",
    "fastcdc-v2020",
    "fastcdc-v2016/nc1/64-256-1024/sha256",
    "fastcdc-v2020/nc4/64-256-1024/sha256",
    "fastcdc-v2020/nc1/64-256-1024",
    "fastcdc-v2020/nc1/64-256-1024/md5",
    "fastcdc-v2020/nc1/64-256-1024/sha256/",
    " fastcdc-v2020/nc1/64-256-1024/sha256",
    "fastcdc-v2020/nc1/064-256-1024/sha256",
    "fastcdc-v2020/nc1/seed0/64-256-1024/sha256",
    "fastcdc-v2020/nc1/seed18446744073709551616/64-256-1024/sha256",
    "large\0",
    "\ud800",
    "x".repeat(100_000),
  ].map(
    (id): Hostile => [
      `profile ${JSON.stringify(id.slice(0, 80))}`,
      () => chunker(id),
      "unknown_profile",
    ],
  ),
  ...[
    "fastcdc-v2020/nc1/65-256-1024/sha256",
    "fastcdc-v2020/nc1/256-64-1024/sha256",
    "fastcdc-v2020/nc1/64-256-4294967296/sha256",
    "fastcdc-v2020/nc1/64-256-99999999999999999999/sha256",
    "fastcdc-v2020/nc3/64-16777216-16777216/sha256",
  ].map((id): Hostile => [`profile ${id}`, () => chunker(id), "invalid_chunking_options"]),
  ...[null, 0, 64, Number.NaN, true, 1n, Symbol("large"), () => "large"].map(
    (profile): Hostile => [
      `profile ${typeof profile} ${String(profile)}`,
      () => chunker(profile),
      "invalid_argument",
    ],
  ),
  [
    "a profile that cannot be read",
    () =>
      chunker({
        get minSize() {
          throw new Error("no");
        },
      }),
    "invalid_argument",
  ],
  ["a profile as an array", () => chunker([64, 256, 1024]), "invalid_argument"],
  ["unknown field of a profile", () => chunker({ minsize: 64 }), "invalid_argument"],
  ["another language's field", () => any.profile({ min_size: 64 }), "invalid_argument"],
  ["unknown option", () => new any.Chunker({ minSize: 64 }), "invalid_argument"],
  ["unknown option of chunk", () => any.chunk(data, { hash: "blake3" }), "invalid_argument"],
  ...[0, 1022, 1025, 1028, 2 ** 20 + 2, -1, 2 ** 32, "4096", null, undefined].map(
    (avgSize): Hostile => [
      `remote execution, avgSize ${String(avgSize)}`,
      () => any.remoteExecutionProfile(avgSize),
      "invalid_chunking_options",
    ],
  ),
  ["unknown key of parse", () => any.Manifest.parse(canonical, { limit: 1 }), "invalid_argument"],
  [
    "unknown key of ChunkTransform",
    () => new any.ChunkTransform({ signal: 1 }),
    "invalid_argument",
  ],
  ["options of null", () => new any.Chunker(null), "invalid_argument"],
  ["options of a number", () => any.chunk(data, 64), "invalid_argument"],
  ["hash in capitals", () => any.digest("SHA256", data), "unknown_hash_algorithm"],
  ["hash of null", () => new any.Hasher(null), "invalid_argument"],
  ["no hash", () => new any.Hasher(), "invalid_argument"],
  ...[-1, 0.5, Number.NaN, 2 ** 53, "0", null, 1n].map(
    (offset): Hostile => [
      `offset ${typeof offset} ${String(offset)}`,
      () => new any.Chunker({ offset }),
      "invalid_argument",
    ],
  ),
  [
    "input beyond 2^53",
    () => new api.Chunker({ offset: 2 ** 53 - 10 }).feed(data),
    "invalid_argument",
  ],
  ...wrongBytes.flatMap(([what, value]): Hostile[] => [
    [`feed ${what}`, () => new any.Chunker().feed(value), "invalid_argument"],
    [`chunks of ${what}`, () => read(value), refusalOf(value)],
    [`chunk ${what}`, () => any.chunk(value), refusalOf(value)],
    [`digest ${what}`, () => any.digest("blake3", value), "invalid_argument"],
    [`update ${what}`, () => new any.Hasher("blake3").update(value), "invalid_argument"],
    [`parse ${what}`, () => any.Manifest.parse(value), "invalid_argument"],
    [
      `verify ${what}`,
      () => any.Manifest.parse(canonical).verifyChunk(0, value),
      "invalid_argument",
    ],
    [`toHex ${what}`, () => any.toHex(value), "invalid_argument"],
    [
      `transform ${what}`,
      async () => {
        const { writable, readable } = new api.ChunkTransform();
        const reading = readable.getReader().read();
        await Promise.all([writable.getWriter().write(value as Uint8Array), reading]);
      },
      "invalid_argument",
    ],
  ]),
  ["source of an object", () => read({}), "invalid_argument"],
  ["a stream of text", () => read(Readable.from(["text"])), "invalid_argument"],
  [
    "a web stream of text",
    () => read(new Response("x").body?.pipeThrough(new TextDecoderStream())),
    "invalid_argument",
  ],
  [
    "a locked stream",
    () => {
      const stream = new Blob([data]).stream();
      stream.getReader();
      return read(stream);
    },
    "invalid_argument",
  ],
  ["signal of a number", () => read(data, { signal: 5 }), "invalid_argument"],
  ["onProgress of a number", () => read(data, { onProgress: 5 }), "invalid_argument"],
  ["aborted before", () => read(data, { signal: AbortSignal.abort() }), "aborted"],
  ["feed after finish", () => finished().feed(data), "chunker_closed"],
  ["finish twice", () => finished().finish(), "chunker_closed"],
  ["feed after dispose", () => disposed(new api.Chunker()).feed(data), "chunker_closed"],
  ["finish after dispose", () => disposed(new api.Chunker()).finish(), "chunker_closed"],
  ["update after dispose", () => disposed(new api.Hasher("sha256")).update(data), "chunker_closed"],
  ["finalize after dispose", () => disposed(new api.Hasher("sha256")).finalize(), "chunker_closed"],
  [
    "finalize twice",
    () => {
      const hasher = new api.Hasher("sha256");
      hasher.finalize();
      hasher.finalize();
    },
    "chunker_closed",
  ],
  [
    "manifest after dispose",
    () => disposed(api.Manifest.parse(canonical)).toBytes(),
    "chunker_closed",
  ],
  ["chunks after dispose", () => disposed(api.Manifest.parse(canonical)).chunks, "chunker_closed"],
  ["Chunker before ready", () => new unloaded.Chunker(), "not_ready"],
  ["Hasher before ready", () => new unloaded.Hasher("sha256"), "not_ready"],
  ["Manifest before ready", () => unloaded.Manifest.parse(canonical), "not_ready"],
  ["empty manifest", () => api.Manifest.parse(new Uint8Array(0)), "invalid_manifest"],
  ["cut-off manifest", () => api.Manifest.parse(canonical.subarray(0, -1)), "invalid_manifest"],
  [
    "manifest and more",
    () => api.Manifest.parse(new Uint8Array([...canonical, 0])),
    "invalid_manifest",
  ],
  ["other magic", () => api.Manifest.parse(edited(0, 0)), "invalid_manifest"],
  ["other version", () => api.Manifest.parse(edited(7, 2)), "unsupported_manifest_version"],
  [
    "manifest above maxBytes",
    () => api.Manifest.parse(canonical, { maxBytes: canonical.length - 1 }),
    "manifest_too_large",
  ],
  ["maxBytes of -1", () => api.Manifest.parse(canonical, { maxBytes: -1 }), "invalid_argument"],
  ["maxBytes of text", () => any.Manifest.parse(canonical, { maxBytes: "9" }), "invalid_argument"],
  ["chunks of null", () => any.Manifest.create(SMALL, null), "invalid_argument"],
  ["chunks of [null]", () => any.Manifest.create(SMALL, [null]), "invalid_argument"],
  [
    "hash of 31 bytes",
    () => any.Manifest.create(SMALL, [{ hash: new Uint8Array(31), length: 5 }]),
    "invalid_argument",
  ],
  ...[-1, 0.5, Number.NaN, "5", undefined].map(
    (length): Hostile => [
      `chunk length ${String(length)}`,
      () => any.Manifest.create(SMALL, [{ hash: new Uint8Array(32), length }]),
      "invalid_argument",
    ],
  ),
  ...[0, 1025, 2 ** 32, 2 ** 32 + 100, 2 ** 53 - 1].map(
    (length): Hostile => [
      `chunk length ${length}`,
      () => any.Manifest.create(SMALL, [{ hash: new Uint8Array(32), length }]),
      "chunk_sequence_invalid",
    ],
  ),
  [
    "short chunk in the middle",
    () =>
      api.Manifest.create(SMALL, [
        { hash: new Uint8Array(32), length: 63 },
        { hash: new Uint8Array(32), length: 100 },
      ]),
    "chunk_sequence_invalid",
  ],
  [
    "create with wrong sizes",
    () => api.Manifest.create({ minSize: 1 }, []),
    "invalid_chunking_options",
  ],
  ["verify at -1", () => manifest.verifyChunk(-1, first()), "invalid_argument"],
  ["verify at 0.5", () => manifest.verifyChunk(0.5, first()), "invalid_argument"],
  [
    "verify behind the end",
    () => manifest.verifyChunk(found.length, first()),
    "chunk_index_out_of_range",
  ],
  ["verify at 2^32", () => manifest.verifyChunk(2 ** 32, first()), "chunk_index_out_of_range"],
  ["verify too short", () => manifest.verifyChunk(0, first().subarray(1)), "chunk_length_mismatch"],
  ["verify other bytes", () => manifest.verifyChunk(0, first().fill(0)), "chunk_digest_mismatch"],
  ...wrongBytes
    .filter(([, value]) => value !== undefined && value !== null)
    .map(
      ([what, value]): Hostile => [
        `fetch ${what}`,
        () => manifest.reassemble(() => value as Uint8Array).next(),
        "invalid_argument",
      ],
    ),
  ...wrongBytes.map(
    ([what, value]): Hostile => [
      `verify the input ${what}`,
      () => any.Manifest.parse(canonical).verify(value),
      refusalOf(value),
    ],
  ),
  ["verify with an unknown option", () => verify({ hash: "sha256" }), "invalid_argument"],
  ["verify with a signal of text", () => verify({ signal: "stop" }), "invalid_argument"],
  ["verify with a progress of text", () => verify({ onProgress: "log" }), "invalid_argument"],
  ["verify aborted before", () => verify({ signal: AbortSignal.abort() }), "aborted"],
  ["verify after dispose", () => disposed(parsed()).verify(data), "chunker_closed"],
  ["reassemble by nothing", () => reassemble(undefined), "invalid_argument"],
  ["reassemble by a map", () => reassemble(new Map()), "invalid_argument"],
  ["reassemble from nowhere", () => reassemble(() => undefined), "chunk_unavailable"],
  ["reassemble with options of null", () => reassemble(first, null), "invalid_argument"],
  [
    "reassemble with an unknown option",
    () => reassemble(first, { onProgress: first }),
    "invalid_argument",
  ],
  ["reassemble with a signal of 1", () => reassemble(first, { signal: 1 }), "invalid_argument"],
  [
    "reassemble aborted before",
    () => reassemble(first, { signal: AbortSignal.abort() }),
    "aborted",
  ],
  [
    "reassemble after dispose",
    () =>
      disposed(parsed())
        .reassemble(() => first())
        .next(),
    "chunker_closed",
  ],
  ["JSON of null", () => api.Manifest.fromJSON(null), "invalid_manifest"],
  ["JSON of an array", () => api.Manifest.fromJSON([]), "unsupported_manifest_version"],
  ["JSON of version 2", () => over({ version: 2 }), "unsupported_manifest_version"],
  ["JSON with another key", () => over({ extra: 1 }), "invalid_manifest"],
  ["JSON with another profile", () => over({ profile: "fastcdc-v2016" }), "unknown_profile"],
  [
    "JSON with wrong sizes",
    () => over({ profile: "fastcdc-v2020/nc1/65-256-1024/sha256" }),
    "invalid_chunking_options",
  ],
  ["JSON with another total", () => over({ totalLength: 1 }), "invalid_manifest"],
  ["JSON with a negative total", () => over({ totalLength: -1 }), "invalid_manifest"],
  ["JSON without chunks", () => over({ chunks: undefined }), "invalid_manifest"],
  ["JSON with a chunk of null", () => over({ chunks: [null] }), "invalid_manifest"],
  ["JSON with a short hash", () => overChunk({ hash: "00" }), "invalid_manifest"],
  [
    "JSON with capitals",
    () => overChunk({ hash: json.chunks[0].hash.toUpperCase() }),
    "invalid_manifest",
  ],
  ["JSON with a gap", () => overChunk({ offset: 2 }), "chunk_sequence_invalid"],
  ["JSON with a fraction", () => overChunk({ length: 100.5 }), "invalid_manifest"],
  ["fromHex of odd digits", () => api.fromHex("abc"), "invalid_argument"],
  ["fromHex of other letters", () => api.fromHex("zz"), "invalid_argument"],
  ["fromHex of a number", () => any.fromHex(12), "invalid_argument"],
];

test("hostile arguments get the right code and leave everything usable", async () => {
  await assertRefused(HOSTILE, [api.ChunkerError, unloaded.ChunkerError]);
  assert.deepEqual(await api.chunk(data, { profile: SMALL }), found);
  console.log(`hostile arguments: ${HOSTILE.length} cases`);
});

test("the codes are those of the core and of the bindings", () => {
  const core = sourcesIn("../../src/").flatMap((text) =>
    [...text.matchAll(/fn code\(&self\)[^{]*\{\n(.*?)\n {4}\}/gs)].flatMap(([, body = ""]) =>
      [...body.replaceAll(/#\[cfg.*/g, "").matchAll(/"([a-z0-9_]+)"/g)].map(([, code]) => code),
    ),
  );
  // The core makes these of the codecs' names.
  const codecs = ["bzip2", "lz4", "xz", "zstd"].flatMap((codec) =>
    ["compression", "decompression"].map((what) => `${codec}_${what}_failed`),
  );
  const bindings = ["../../wasm/src/", "../../napi/src/"]
    .flatMap(sourcesIn)
    .flatMap((text) => [...text.matchAll(/code: "([a-z_]+)"/g)].map(([, code]) => code));
  assert.ok(
    core.length > 10 && bindings.length > 2,
    "the source has a form this test does not know",
  );
  const all = new Set([
    ...core,
    ...codecs,
    ...bindings,
    "aborted",
    "invalid_environment",
    "native_unavailable",
    "not_ready",
    "platform_hash_failed",
    "threads_unavailable",
    "worker_failed",
  ]);
  assert.deepEqual([...all].sort(), [...api.CHUNKER_ERROR_CODES].sort());
});

test("abort interrupts a fetch that never ends, and leaves no listener", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { signal } = controller;
  let handed: AbortSignal | undefined;
  const fetch: api.ChunkFetch = (_, options) => {
    handed = options.signal;
    return new Promise<never>(() => {});
  };
  const reading = manifest.reassemble(fetch, { signal }).next();
  setTimeout(() => controller.abort(reason), 5);
  await assert.rejects(reading, { name: "ChunkerError", code: "aborted", cause: reason });
  assert.equal(handed, signal);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a fetch that fails because it was aborted is aborted, not unavailable", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const fetch: api.ChunkFetch = (_, { signal }) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const reading = manifest.reassemble(fetch, { signal }).next();
  setTimeout(() => controller.abort(), 5);
  await assert.rejects(reading, { code: "aborted" });
});

test("verify cancels a source at its first wrong chunk", async () => {
  let cancelled = false;
  let given = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      given++;
      controller.enqueue(new Uint8Array(2000));
    },
    cancel() {
      cancelled = true;
    },
  });
  await assert.rejects(manifest.verify(source), { code: "chunk_digest_mismatch" });
  assert.ok(cancelled && given < 5, `${given} pieces`);
});

function sourcesIn(folder: string): string[] {
  const files = readdirSync(new URL(folder, import.meta.url), {
    recursive: true,
    encoding: "utf8",
  });
  return files
    .filter((file) => file.endsWith(".rs") && !/^(observability\/|environment\.rs)/.test(file)) // for Rust alone
    .map((file) => readFileSync(new URL(folder + file, import.meta.url), "utf8"));
}

test("abort interrupts a read that never ends, cancels the source and leaves no listener", async () => {
  const reason = new Error("enough");
  let cancelledWith: unknown;
  let returned = false;
  const never = new Promise<never>(() => {});
  const node = new PassThrough();
  const sources: [string, api.ByteSource, () => unknown][] = [
    [
      "ReadableStream",
      new ReadableStream({
        pull: () => never,
        cancel: (why) => {
          cancelledWith = why;
        },
      }),
      () => cancelledWith === reason,
    ],
    [
      "async iterable",
      {
        [Symbol.asyncIterator]: () => ({
          next: () => never,
          return: async () => {
            returned = true;
            return { done: true as const, value: undefined };
          },
        }),
      },
      () => returned,
    ],
    ["Node stream", node, () => node.destroyed],
  ];
  for (const [what, source, cancelled] of sources) {
    const controller = new AbortController();
    const reading = api.chunks(source, { signal: controller.signal }).next();
    setTimeout(() => controller.abort(reason), 5);
    await assert.rejects(reading, { name: "ChunkerError", code: "aborted", cause: reason }, what);
    assert.ok(cancelled(), `${what} was not cancelled`);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0, what);
  }
});

test("abort between two reads of memory stops before the end", async () => {
  const controller = new AbortController();
  let read = 0;
  const options: api.ReadOptions = {
    signal: controller.signal,
    onProgress: ({ bytesRead }) => {
      read = bytesRead;
      if (bytesRead > 10_000_000) controller.abort();
    },
  };
  await assert.rejects(api.chunk(new Uint8Array(50_000_000), options), { code: "aborted" });
  assert.ok(read < 12_000_000);
});

test("leaving the loop cancels the source", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(data.slice()),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const _ of api.chunks(stream, { profile: SMALL })) break;
  assert.ok(cancelled);
  assert.equal(stream.locked, false);
});

test("errors of the source and of callbacks pass through as they are", async () => {
  const failure = new TypeError("disk on fire");
  const failing = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(data.slice()),
      pull: () => Promise.reject(failure),
    });
  async function* iterator() {
    yield data;
    throw failure;
  }
  const node = new Readable({ read: () => node.destroy(failure) });
  for (const source of [failing(), iterator(), node]) await assert.rejects(read(source), failure);
  const onProgress = () => {
    throw failure;
  };
  await assert.rejects(read(data, { onProgress }), failure);
  const transformed = failing().pipeThrough(new api.ChunkTransform()).pipeTo(new WritableStream());
  await assert.rejects(transformed, failure);
});

test("data that is detached or shrinks while it is read is an error, not a short answer", async () => {
  const bytes = new Uint8Array(20_000_000);
  let transferred = false;
  const onProgress = () => {
    if (!transferred) structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    transferred = true;
  };
  await assert.rejects(api.chunk(bytes, { onProgress }), { code: "invalid_argument" });
});

test("a failed load says why, and the next one may succeed", async () => {
  const failure = new Error("offline");
  let tries = 0;
  load.setSource(async () => {
    if (tries++ === 0) throw failure;
    return moduleOf("plain");
  });
  await assert.rejects(unloaded.ready(), {
    name: "ChunkerError",
    code: "not_ready",
    cause: failure,
  });
  await Promise.all([unloaded.ready(), unloaded.ready()]);
  assert.equal(tries, 2);
  assert.equal(
    JSON.stringify(await unloaded.chunk(data, { profile: SMALL })),
    JSON.stringify(found),
  );
});

test("messages name sizes as their caller does", () => {
  for (const [profile, message] of [
    [{ minSize: 2 }, "minSize 2 is below 64"],
    [{ avgSize: 2 ** 24 + 2, maxSize: 2 ** 25 }, "avgSize 16777218 is above 16777216"],
    [{ maxSize: 2 ** 30 + 2 }, "maxSize 1073741826 is above 1073741824"],
    [{ maxSize: "x" }, "maxSize is not a non-negative integer"],
  ] as const) {
    assert.throws(() => chunker(profile), { message });
  }
});

test("where crypto.subtle hashes chunks, one that it cannot hash is platform_hash_failed", async (t) => {
  // The second instance lacks Node's own digests, as pages do.
  const input = splitMix64(2, 2_000_000);
  const { chunks } = unloaded.Manifest.create(
    "small",
    await unloaded.chunk(input, { profile: "small" }),
  );
  const stored = unloaded.Manifest.create("small", chunks);
  const fetch: api.ChunkFetch = ({ offset, length }) => input.subarray(offset, offset + length);
  const whole = async () => {
    for await (const _ of stored.reassemble(fetch));
  };
  await stored.verify(input);
  await whole();
  const cause = new Error("no memory");
  const digest = t.mock.method(crypto.subtle, "digest", () => Promise.reject(cause));
  for (const work of [() => stored.verify(input), whole]) {
    await assert.rejects(work, { name: "ChunkerError", code: "platform_hash_failed", cause });
  }
  assert.ok(digest.mock.callCount() > 1);
});
