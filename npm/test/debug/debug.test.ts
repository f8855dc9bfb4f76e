// What `chunker-cdc/debug` shows, at which level, and that it changes nothing else.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { backend, Chunker, type ChunkerOptions, chunk, digest, toHex } from "chunker-cdc";
import { type DebugLevel, type DebugOptions, debug } from "chunker-cdc/debug";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { MemoryServer } from "../dedup/memory-server.js";
import { codeOf, collect, randomBytes } from "../dedup/support.js";

const DATA = randomBytes(300_000, 1);
const SIZES = { minSize: 1024, avgSize: 4096, maxSize: 16384 } as const;
const BLAKE3: ChunkerOptions = { profile: { ...SIZES, hash: "blake3" } };
const SHA256: ChunkerOptions = { profile: { ...SIZES, hash: "sha256" } };
const METHODS = ["log", "info", "debug"] as const;

/** Made on whatever this process runs before the first call of `debug`. */
const early = new Chunker(BLAKE3);
const before = await chunk(DATA, BLAKE3);

beforeEach(() => {
  performance.clearMarks();
  performance.clearMeasures();
});

/** Does `work` at a level; returns the names of the measures, and the lines on the console. */
async function shown(options: DebugOptions, work: () => Promise<unknown>) {
  const lines: string[] = [];
  const originals = METHODS.map((method) => [method, console[method]] as const);
  for (const method of METHODS) console[method] = (text) => lines.push(`${method} ${text}`);
  try {
    await debug(options);
    await work();
  } finally {
    for (const [method, original] of originals) console[method] = original;
    await debug({ level: "off" });
  }
  return { measures: performance.getEntriesByType("measure").map(({ name }) => name), lines };
}

const countOf = (measures: string[], name: string) =>
  measures.filter((measure) => measure.startsWith(name)).length;

test("cutting and hashing are measures, by the module and by the platform", async () => {
  const { measures } = await shown({ level: "trace" }, () => chunk(DATA, BLAKE3));
  assert.ok(countOf(measures, '"fastcdc" ') >= before.length, String(measures));
  assert.ok(countOf(measures, '"hashing" ') >= before.length, String(measures));
  performance.clearMeasures();
  const other = await shown({ level: "trace" }, () => chunk(DATA, SHA256));
  assert.ok(countOf(other.measures, '"fastcdc" ') >= before.length, String(other.measures));
  assert.ok(countOf(other.measures, "chunker: hashing") >= before.length, String(other.measures));
});

test("transfers and their requests are measures with their counts, and lines", async (t) => {
  const { baseUrl } = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl });
  const { measures, lines } = await shown({ level: "debug" }, async () => {
    const { root } = await upload(DATA, { transport, ...SHA256 });
    await collect(download(root, { transport }));
  });
  const kinds = measures.map((name) => name.replace(/[0-9a-f]{64}/, "…"));
  assert.deepEqual([...new Set(kinds)].sort(), [
    "chunker: GET /v1/files/sha256-…/chunks",
    "chunker: POST /v1/packs/sha256",
    "chunker: PUT /v1/manifests/sha256-…",
    "chunker: PUT /v1/manifests/sha256-…?expect=known",
    "chunker: download",
    "chunker: upload",
  ]);
  const [of] = performance.getEntriesByName("chunker: upload") as PerformanceMeasure[];
  assert.equal(of?.detail.bytesRead, DATA.length);
  const uploads = lines.filter((line) => line.startsWith("info chunker: upload ms="));
  assert.match(String(uploads), /^info chunker: upload ms=[\d.]+ bytesRead=300000 /);
  assert.ok(lines.some((line) => line.startsWith("debug chunker: POST /v1/packs/sha256 ms=")));
});

test("each level shows what the one before does, and more", async (t) => {
  const { baseUrl } = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl });
  const counts: Record<string, boolean[]> = {};
  for (const level of ["off", "info", "debug", "trace"] satisfies DebugLevel[]) {
    performance.clearMeasures();
    const work = () => upload(randomBytes(300_000, 2), { transport, ...SHA256 });
    const { measures } = await shown({ level }, work);
    counts[level] = ["chunker: upload", "chunker: PUT", '"fastcdc"'].map(
      (name) => countOf(measures, name) > 0,
    );
  }
  assert.deepEqual(counts, {
    off: [false, false, false],
    info: [true, false, false],
    debug: [true, true, false],
    trace: [true, true, true],
  });
});

test("chunks are events of the level trace: the first and one in 1024", async () => {
  const tiny: ChunkerOptions = {
    profile: { minSize: 64, avgSize: 64, maxSize: 64, hash: "blake3" },
  };
  const { measures, lines } = await shown({}, () => chunk(randomBytes(64 * 4096, 3), tiny));
  const events = lines.filter((line) => line.includes("chunk_emitted"));
  assert.equal(events.length, 4, String(lines));
  assert.match(String(events[1]), /TRACE.*offset = \d+;\s+length = 64;\s+hash = "blake3";/s);
  assert.equal(countOf(measures, "TRACE chunker"), 4);
});

test("the console is left alone if it is not wanted", async () => {
  const { measures, lines } = await shown({ console: false }, () => chunk(DATA, BLAKE3));
  assert.ok(measures.length > 0);
  assert.deepEqual(lines, []);
});

test("chunks and digests stay the same, and what was made before keeps working", async () => {
  await debug({ level: "off" });
  assert.match(backend(), /^wasm/);
  assert.deepEqual(await chunk(DATA, BLAKE3), before);
  assert.deepEqual([...early.feed(DATA), ...early.finish()], before);
  const pool = new ChunkerPool({ workers: 2 });
  assert.deepEqual(await pool.chunk(DATA, BLAKE3), before);
  await pool.close();
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(toHex(await digest("sha256", new Uint8Array(0))), empty);
});

test("an unknown level or option is invalid_argument", async () => {
  for (const options of [{ level: "loud" }, { level: "TRACE" }, { console: 1 }, { Level: "off" }]) {
    assert.equal(await codeOf(debug(options as DebugOptions)), "invalid_argument");
  }
});

test("a process without User Timing is invalid_environment", async () => {
  const { performance } = globalThis;
  Object.defineProperty(globalThis, "performance", { value: undefined, configurable: true });
  try {
    assert.equal(await codeOf(debug()), "invalid_environment");
  } finally {
    Object.defineProperty(globalThis, "performance", { value: performance, configurable: true });
  }
});
