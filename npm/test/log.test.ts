// Lines of the console: those of the level, and none else.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type ByteSource, chunk, chunks, metrics, setLogLevel } from "chunker-cdc";
import { DedupError, download, upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { counted } from "../dist/errors.js";
import { codeOf, collect, MemoryTransport, randomBytes } from "./dedup/support.js";

const SMALL = { profile: { minSize: 64, avgSize: 128, maxSize: 256 } } as const;
const METHODS = ["error", "warn", "info", "debug"] as const;

beforeEach(() => setLogLevel("none"));

/** The lines that `work` has written at a level, each behind the method of the console it took. */
async function lines(level: Parameters<typeof setLogLevel>[0], work: () => Promise<unknown>) {
  const written: string[] = [];
  const originals = METHODS.map((method) => [method, console[method]] as const);
  for (const method of METHODS) console[method] = (text) => written.push(`${method} ${text}`);
  try {
    setLogLevel(level);
    await work();
  } finally {
    setLogLevel("none");
    for (const [method, original] of originals) console[method] = original;
  }
  return written;
}

const refused = () => codeOf(chunk(new Uint8Array(1), { profile: { minSize: 63 } }));

test("an error is a line of the level debug, with its code", async () => {
  const line = "debug chunker: error_returned code=invalid_chunking_options";
  assert.deepEqual(await lines("debug", refused), [line]);
  assert.deepEqual(await lines("all", refused), [line]);
});

test("the first chunk and one of 1024 are lines of the level all", async () => {
  const data = randomBytes(500_000, 1);
  const all = await chunk(data, SMALL);
  const expected = all
    .filter((_, index) => index % 1024 === 0)
    .map(
      ({ offset, length }) =>
        `debug chunker: chunk_emitted offset=${offset} length=${length} hash=sha256`,
    );
  assert.ok(expected.length > 2);
  const pool = new ChunkerPool({ workers: 2 });
  const collected = async (source: AsyncIterable<unknown>) => {
    for await (const _ of source);
  };
  const ways: Record<string, (data: ByteSource) => Promise<unknown>> = {
    chunk: () => chunk(data, SMALL),
    chunks: (data) => collected(chunks(data, SMALL)),
    pool: (data) => collected(pool.chunks(data, SMALL)),
  };
  for (const [way, run] of Object.entries(ways)) {
    assert.deepEqual(await lines("all", () => run(data)), expected, way);
  }
  await pool.close();
});

test("an upload tells of its retries and its end, a download too", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method, count }) => {
    if (method === "putManifest" && count === 0) {
      throw new DedupError("network\nerror", "reset", { retryable: true });
    }
  };
  // Halved, so that the delay is known.
  const retry = { baseDelayMs: 4, random: () => 0 };
  const data = randomBytes(100_000, 2);
  const options = { transport, retry, profile: { minSize: 32_768, avgSize: 65_536 } } as const;
  const { manifest, root } = await upload(data, {
    ...options,
    transport: new MemoryTransport(),
  });
  const count = manifest.chunks.length;
  const sent = "bytesRead=100000 bytesSent=100000 bytesOnWire=100000 bytesSaved=0";
  const retried = 'warn chunker: request_retried attempt=1 delayMs=2 code="network\\nerror"';
  assert.deepEqual(await lines("info", () => upload(data, options)), [
    retried,
    `info chunker: upload_finished ${sent} chunks=${count} newChunks=${count} savedChunks=0 retries=1`,
  ]);
  assert.deepEqual(await lines("info", () => collect(download(root, { transport }))), [
    `info chunker: download_finished bytesReceived=100000 bytesOnWire=100000 bytesReused=0 chunks=${count} retries=0`,
  ]);
  transport.calls.clear();
  assert.deepEqual(await lines("warning", () => upload(data, options)), [retried]);
});

test("at first, and below its level, nothing is written", async () => {
  for (const level of ["none", "error", "warning", "info"] as const) {
    assert.deepEqual(await lines(level, refused), [], level);
  }
  assert.deepEqual(await lines("debug", () => chunk(randomBytes(10_000, 3), SMALL)), []);
});

test("another level throws, and changes nothing", async () => {
  const written = await lines("debug", async () => {
    for (const level of ["verbose", "trace", "ERROR", "", 3, null, undefined, {}, ["debug"]]) {
      assert.throws(() => setLogLevel(level as "debug"), { code: "invalid_argument" });
    }
    await refused();
  });
  assert.equal(written.filter((line) => line.endsWith("code=invalid_chunking_options")).length, 1);
});

test("codes that a server invents do not fill the memory", () => {
  for (let n = 0; n < 10_000; n++) counted(new DedupError(`invented_${n}`, "no"));
  const { errors } = metrics();
  assert.ok(Object.keys(errors).length <= 257);
  assert.ok((errors.other ?? 0) > 9_000);
});
