// Values are known by what they can do: those of another realm, and of packages that make their own,
// are as good as one's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import * as api from "chunker-cdc";
import * as codecs from "chunker-cdc/codecs";
import { ChunkerPool } from "chunker-cdc/pool";
import { calling } from "../dist/errors.js";
import { splitMix64 } from "./inputs.js";

const own = splitMix64(1, 3_000_000);
const context = createContext({});
/** The bytes of {@link own} in a buffer of another realm. */
const buffer: ArrayBuffer = inOther(`new ArrayBuffer(${own.length})`);
new Uint8Array(buffer).set(own);
context.buffer = buffer;

// biome-ignore lint/suspicious/noExplicitAny: these values have types of their own
function inOther(expression: string): any {
  return runInContext(`(${expression})`, context);
}

const VIEWS = ["new Uint8Array(buffer)", "new DataView(buffer)", "new Float64Array(buffer)"];

test("the other realm is another one", () => {
  assert.ok(!(buffer instanceof ArrayBuffer));
  for (const view of VIEWS) assert.ok(!(inOther(view) instanceof Uint8Array));
});

test("bytes of another realm have the same chunks, digests and compressed forms", async () => {
  const chunks = await api.chunk(own);
  const digest = await api.digest("blake3", own);
  const compressed = await codecs.compress("zstd", own, { level: 1 });
  for (const bytes of [buffer, ...VIEWS.map(inOther)]) {
    assert.deepEqual(await api.chunk(bytes), chunks);
    assert.deepEqual(await api.digest("blake3", bytes), digest);
    assert.deepEqual(await codecs.compress("zstd", bytes, { level: 1 }), compressed);
    using chunker = new api.Chunker();
    assert.deepEqual([...chunker.feed(bytes), ...chunker.finish()], chunks);
  }
});

test("what is shared, detached or no bytes is refused, whatever its realm", async () => {
  const refused = [
    inOther("new SharedArrayBuffer(64)"),
    inOther("new Uint8Array(new SharedArrayBuffer(64))"),
    inOther("[1, 2, 3]"),
    inOther("{ length: 3 }"),
  ];
  for (const view of ["new Uint8Array(64)", "new DataView(new ArrayBuffer(64))"]) {
    const detached = inOther(view);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    refused.push(detached);
  }
  for (const value of refused) {
    await assert.rejects(api.chunk(value), { name: "ChunkerError", code: "invalid_argument" });
  }
});

test("iterables, promises and options of another realm serve", async () => {
  const chunks = await api.chunk(own, { profile: "small" });
  context.options = { profile: "small" };
  const source = inOther(`(async function* () {
    for (let at = 0; at < buffer.byteLength; at += 70000) yield new Uint8Array(buffer).subarray(at, at + 70000);
  })()`);
  assert.deepEqual(await collected(api.chunks(source, inOther("({ profile: 'small' })"))), chunks);
  using manifest = api.Manifest.create("small", inOther("(chunks) => [...chunks]")(chunks));
  const fetch = inOther(
    "async ({ offset, length }) => new Uint8Array(buffer, offset, length)",
  ) as api.ChunkFetch;
  let length = 0;
  for await (const bytes of manifest.reassemble(fetch)) length += bytes.length;
  assert.equal(length, own.length);
  const samples = inOther(
    "Array.from({ length: 200 }, (_, i) => new Uint8Array(buffer, i * 100, 100))",
  );
  assert.ok((await codecs.trainDictionary(samples, 1000)).length > 0);
});

test("a signal of another kind aborts", async () => {
  const signal = new EventTarget() as AbortSignal;
  Object.assign(signal, { aborted: false, reason: undefined });
  async function* source() {
    yield own;
    Object.assign(signal, { aborted: true, reason: "enough" });
    signal.dispatchEvent(new Event("abort"));
    await new Promise(() => {});
  }
  await assert.rejects(collected(api.chunks(source(), { signal })), {
    code: "aborted",
    cause: "enough",
  });
});

/** A Blob as packages make it that cannot use that of the platform. */
class OtherBlob {
  readonly #parts: Uint8Array<ArrayBuffer>;
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#parts = bytes;
  }
  get size(): number {
    return this.#parts.length;
  }
  slice(start?: number, end?: number): OtherBlob {
    return new OtherBlob(this.#parts.slice(start, end));
  }
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#parts;
  }
}

class StreamingBlob extends OtherBlob {
  stream(): ReadableStream<Uint8Array> {
    return new Blob([this.bytes]).stream();
  }
}

test("a Blob of a package has the same chunks, also by a pool", async () => {
  const chunks = await api.chunk(own);
  const blob = new StreamingBlob(own) as unknown as Blob;
  assert.deepEqual(await collected(api.chunks(blob)), chunks);
  await using pool = new ChunkerPool({ workers: 2 });
  assert.deepEqual(await collected(pool.chunks(blob)), chunks);
});

test("a Blob without streams, as jsdom has them, is read by a FileReader", async (t) => {
  const blob = new OtherBlob(own) as unknown as Blob;
  await assert.rejects(collected(api.chunks(blob)), { code: "invalid_argument" });
  let broken = false;
  class FileReader {
    result: ArrayBuffer | undefined;
    error: unknown;
    onload = () => {};
    onerror = () => {};
    readAsArrayBuffer({ bytes }: OtherBlob): void {
      this.result = bytes.buffer;
      this.error = new Error("it is gone");
      queueMicrotask(() => (broken ? this.onerror() : this.onload()));
    }
  }
  Object.assign(globalThis, { FileReader });
  t.after(() => Reflect.deleteProperty(globalThis, "FileReader"));
  assert.deepEqual(await collected(api.chunks(blob)), await api.chunk(own));
  broken = true;
  await assert.rejects(collected(api.chunks(blob)), { message: "it is gone" });
});

test("errors of the module are known by their code, whatever their realm", () => {
  const raise = inOther(
    `() => { throw Object.assign(new Error("bad"), { code: "invalid_manifest" }); }`,
  );
  assert.throws(() => calling(raise), {
    name: "ChunkerError",
    code: "invalid_manifest",
    message: "bad",
  });
  for (const other of ["undefined", "'text'", "new Error('plain')", "{ code: 7, message: '' }"]) {
    context.value = inOther(other);
    assert.throws(
      () => calling(inOther("() => { throw value; }")),
      (error) => error === context.value,
    );
  }
});

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
