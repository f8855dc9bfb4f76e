// Cutters that hash by the platform, on splits that are hard for them.

import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { test } from "node:test";
import "chunker-cdc";
import type { Chunk } from "../dist/chunk.js";
import { unpackChunks } from "../dist/chunk-records.js";
import { GatheringCutter } from "../dist/cutter/gathering.js";
import { HashingCutter } from "../dist/cutter/hashing.js";
import type { AsyncCutter, Cutter } from "../dist/cutter/types.js";
import { ChunkerError } from "../dist/errors.js";
import { core } from "../dist/load.js";
import { splitMix64 } from "./inputs.js";

/** Sizes of chunks, and how much data makes some hundred of them. */
const PROFILES = [
  { sizes: [64, 128, 256], length: 20_001 },
  { sizes: [256, 1024, 4096], length: 200_003 },
  { sizes: [2048, 8192, 65_536], length: 1_500_001 },
] as const;
const PIECES = [1, 2, 3, 63, 64, 65, 255, 1023, 1024, 1025, 4096, 100_000, 10_000_000];
/** Each piece is a call. A chunk of the smallest profile already takes a hundred of one byte. */
const MOST_PIECES = 70_000;

const subtle = (bytes: Uint8Array<ArrayBuffer>) => webcrypto.subtle.digest("SHA-256", bytes);

const CUTTERS: Record<string, (cutter: Cutter) => AsyncCutter> = {
  "while it is read": (cutter) => new HashingCutter(cutter, () => createHash("sha256")),
  whole: (cutter) => new GatheringCutter(cutter, subtle),
};

for (const [how, hashing] of Object.entries(CUTTERS)) {
  test(`a chunk hashed ${how} has the digest of its bytes, however it is split`, async () => {
    for (const { sizes, length } of PROFILES) {
      const data = splitMix64(length, length);
      const cuts = await found(pushChunker(sizes, true), data, 10_000_000);
      assert.ok(cuts.length > 50);
      const wanted = cuts.map(({ offset, length }) => ({
        hash: createHash("sha256")
          .update(data.subarray(offset, offset + length))
          .digest("hex"),
        offset,
        length,
      }));
      for (const piece of PIECES.filter((piece) => length / piece <= MOST_PIECES)) {
        const chunks = await found(hashing(pushChunker(sizes, true)), data, piece);
        assert.deepEqual(JSON.parse(JSON.stringify(chunks)), wanted, `${sizes} in ${piece}`);
      }
    }
  });

  test(`an input of few bytes is hashed ${how}, none is no chunk`, async () => {
    for (let length = 0; length <= 64; length++) {
      const data = splitMix64(1, length);
      const chunks = await found(hashing(pushChunker([64, 128, 256], true)), data, 5);
      const digest = createHash("sha256").update(data).digest("hex");
      assert.deepEqual(
        chunks.map(({ hashHex }) => hashHex),
        length === 0 ? [] : [digest],
      );
    }
  });
}

test("the cuts are those of the module with its own digests", async () => {
  for (const { sizes, length } of PROFILES) {
    const data = splitMix64(length, length);
    for (const piece of [1, 3, 1000, 10_000_000].filter((piece) => length / piece <= MOST_PIECES)) {
      const own = await found(pushChunker(sizes, false), data, piece);
      const hashed = await found(hashingOf(sizes), data, piece);
      assert.deepEqual(hashed, own);
    }
  }
});

test("a digest that fails is a typed error, not a chunk without one", async () => {
  const failing = () => Promise.reject(new Error("no memory"));
  const cutter = new GatheringCutter(pushChunker([64, 128, 256], true), failing);
  const isTyped = (error: unknown) =>
    error instanceof ChunkerError && error.code === "platform_hash_failed";
  await assert.rejects(found(cutter, splitMix64(1, 1000), 300), isTyped);
});

function hashingOf(sizes: readonly [number, number, number]): Cutter {
  return new HashingCutter(pushChunker(sizes, true), () => createHash("sha256"));
}

function pushChunker(
  [minSize, avgSize, maxSize]: readonly [number, number, number],
  cutsOnly: boolean,
): Cutter {
  const { PushChunker } = core();
  return new PushChunker({ minSize, avgSize, maxSize }, 0, cutsOnly);
}

async function found(cutter: AsyncCutter, data: Uint8Array, piece: number): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (let at = 0; at < data.length; at += piece) {
    // The caller's own, and overwritten: nothing may be kept by reference.
    const bytes = data.slice(at, at + piece);
    chunks.push(...unpackChunks(await cutter.feed(bytes)));
    bytes.fill(0xff);
  }
  chunks.push(...unpackChunks(await cutter.finish()));
  cutter.free();
  return chunks;
}
