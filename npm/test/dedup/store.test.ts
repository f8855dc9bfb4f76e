import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DiskChunkStore } from "chunker-cdc/dedup/server";
import { codeOf, digestHex, randomBytes, temporaryDirectory } from "./support.js";

const data = randomBytes(50_000, 6);
const digest = digestHex("sha256", data);

async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function* failingAfter(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes);
  throw Object.assign(new Error("not the digest"), { code: "digest_mismatch" });
}

test("a chunk is where the specification says, and nothing is left behind", async (t) => {
  const root = await temporaryDirectory(t);
  const store = await DiskChunkStore.open(root);
  await store.putChunk("sha256", digest, pieces(data));
  await store.putManifest(digest, data);
  const path = join("sha256", digest.slice(0, 2), digest);
  assert.deepEqual(await readFile(join(root, "chunks", path)), Buffer.from(data));
  assert.deepEqual(
    await readFile(join(root, "manifests", digest.slice(0, 2), digest)),
    Buffer.from(data),
  );
  assert.deepEqual(await readdir(join(root, "tmp")), []);
  assert.deepEqual(await store.chunkLengths("sha256", [digest, "0".repeat(64)]), [
    50_000,
    undefined,
  ]);
  assert.deepEqual(await store.chunkLengths("blake3", [digest]), [undefined]);
});

test("a payload that fails at its end leaves nothing", async (t) => {
  const root = await temporaryDirectory(t);
  const store = await DiskChunkStore.open(root);
  assert.equal(
    await codeOf(store.putChunk("sha256", digest, failingAfter(data))),
    "digest_mismatch",
  );
  assert.deepEqual(await store.chunkLengths("sha256", [digest]), [undefined]);
  assert.deepEqual(await readdir(join(root, "tmp")), []);
});

test("whatever a crash leaves in tmp is removed at the next start and never seen", async (t) => {
  const root = await temporaryDirectory(t);
  await DiskChunkStore.open(root);
  // The states between two steps of a write: created, half written, written, a stray directory.
  await writeFile(join(root, "tmp", "created"), "");
  await writeFile(join(root, "tmp", "half"), data.subarray(0, 20_000));
  await writeFile(join(root, "tmp", digest), data);
  await mkdir(join(root, "tmp", "directory", "deep"), { recursive: true });
  // A crash after the directory for the chunk was made, before the rename.
  await mkdir(join(root, "chunks", "sha256", digest.slice(0, 2)), { recursive: true });
  const store = await DiskChunkStore.open(root);
  assert.deepEqual(await readdir(join(root, "tmp")), []);
  assert.deepEqual(await store.chunkLengths("sha256", [digest]), [undefined]);
  await store.putChunk("sha256", digest, pieces(data));
  assert.deepEqual(await store.chunkLengths("sha256", [digest]), [data.length]);
});

test("many writers of one chunk, some of whom fail, leave one whole chunk", async (t) => {
  const root = await temporaryDirectory(t);
  const store = await DiskChunkStore.open(root);
  const partial: number[] = [];
  let writing = true;
  const watching = (async () => {
    while (writing) {
      const bytes = await store.getChunk("sha256", digest);
      if (bytes !== undefined && bytes.length !== data.length) partial.push(bytes.length);
    }
  })();
  const writers = Array.from({ length: 30 }, (_, index) =>
    index % 3 === 0
      ? codeOf(store.putChunk("sha256", digest, failingAfter(data)))
      : codeOf(store.putChunk("sha256", digest, pieces(data, 500 + index * 100))),
  );
  const codes = await Promise.all(writers);
  writing = false;
  await watching;
  assert.deepEqual(partial, [], "a partial chunk was seen");
  assert.equal(codes.filter((code) => code === "resolved").length, 20);
  assert.deepEqual(await store.getChunk("sha256", digest), Buffer.from(data));
  assert.deepEqual(await readdir(join(root, "tmp")), []);
});

test("a chunk that is set aside is missing, can be set aside again, and can be stored again", async (t) => {
  const root = await temporaryDirectory(t);
  const store = await DiskChunkStore.open(root);
  await store.putChunk("sha256", digest, pieces(data));
  await Promise.all([store.setAsideChunk("sha256", digest), store.setAsideChunk("sha256", digest)]);
  assert.deepEqual(await store.chunkLengths("sha256", [digest]), [undefined]);
  assert.equal((await readdir(join(root, "damaged"))).length, 1);
  await store.putChunk("sha256", digest, pieces(data));
  assert.deepEqual(await store.getChunk("sha256", digest), Buffer.from(data));
});

test("a store that cannot be opened says so", async (t) => {
  const root = await temporaryDirectory(t);
  await writeFile(join(root, "file"), "");
  assert.match(String(await codeOf(DiskChunkStore.open(join(root, "file")))), /EEXIST|ENOTDIR/);
});
