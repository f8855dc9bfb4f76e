import assert from "node:assert/strict";
import { test } from "node:test";
import { Manifest, toHex } from "chunker-cdc";
import { ChunkTable } from "../../dist/dedup/chunk-table.js";
import { DigestTable } from "../../dist/dedup/digest-table.js";
import { manifestOf } from "../../dist/manifest.js";
import { digestHex, randomBytes } from "./support.js";

test("a table finds the chunks that a map finds, whatever their digests have in common", () => {
  const bytes = randomBytes(32 * 9000, 5);
  const digests = Array.from({ length: 9000 }, (_, at) => {
    const digest = bytes.slice(32 * at, 32 * (at + 1));
    // A third of them differ only in the last byte or two, a third start alike.
    if (at % 3 === 0) digest.fill(7, 0, 30);
    if (at % 3 === 1) digest.fill(9, 0, 4);
    return digest;
  });
  const order = [...digests, ...digests.slice(0, 500)].map((digest, at) => ({ digest, at }));
  const table = new ChunkTable();
  const firsts = new Map<string, number>();
  const totals = new Map<string, number>();
  let offset = 0;
  for (const { digest, at } of order) {
    const key = toHex(digest);
    const length = 1 + (at % 977);
    if (!firsts.has(key)) firsts.set(key, at);
    totals.set(key, (totals.get(key) ?? 0) + length);
    assert.deepEqual(table.add(digest, length), { index: at, first: firsts.get(key) });
    assert.deepEqual([table.lengthOf(at), table.offsetOf(at)], [length, offset]);
    offset += length;
  }
  assert.deepEqual([table.count, table.length], [order.length, offset]);
  for (const [key, first] of firsts) {
    assert.equal(table.find(Buffer.from(key, "hex")), first);
    assert.equal(toHex(table.digest(first)), key);
    assert.equal(table.bytesOf(first), totals.get(key));
  }
  assert.equal(table.find(randomBytes(32, 6)), undefined);
});

test("digests chosen to be alike do not slow the table down", () => {
  const bytes = randomBytes(32 * 20_000, 7);
  const random = Array.from({ length: 20_000 }, (_, at) => bytes.slice(32 * at, 32 * (at + 1)));
  const families: Record<string, Uint8Array[]> = {};
  for (const alike of [8, 24, 30]) {
    for (const from of [0, 32 - alike]) {
      const fill = (digest: Uint8Array) => digest.slice().fill(3, from, from + alike);
      families[`${alike} bytes from ${from}`] = random.map(fill);
    }
  }
  // The highest bit of a word passes through a multiplication by any odd number.
  families["the highest bits"] = random.map((_, at) => {
    const digest = (random[at >> 7] as Uint8Array).slice();
    for (let pair = 0; pair < 7; pair += 1) {
      if (((at >> pair) & 1) === 0) continue;
      for (const [byte, bits] of [
        [3, 0x80],
        [7, 0x80],
        [6, 0x01],
      ] as const) {
        digest[4 * pair + byte] = (digest[4 * pair + byte] ?? 0) ^ bits;
      }
    }
    return digest;
  });
  for (const [name, digests] of Object.entries(families)) {
    let compared = 0;
    const table = new DigestTable((index) => {
      compared += 1;
      return digests[index] as Uint8Array;
    });
    const firsts = new Set(digests.map((digest) => table.add(digest)));
    assert.equal(firsts.size, new Set(digests.map(toHex)).size);
    assert.ok(compared < 4 * digests.length, `${name}: ${compared}`);
  }
});

test("the manifest of a table is that of its chunks", () => {
  const profile = "fastcdc-v2020/nc1/64-256-1024/sha256";
  const chunks = Array.from({ length: 3000 }, (_, at) => ({
    hash: Buffer.from(digestHex("sha256", Buffer.from(`${at % 2000}`)), "hex"),
    length: 64 + ((at % 2000) >> 2),
  }));
  const table = new ChunkTable();
  for (const { hash, length } of chunks) table.add(hash, length);
  const expected = Manifest.create(profile, chunks);
  assert.deepEqual(manifestOf(profile, table.records).toBytes(), expected.toBytes());
});
