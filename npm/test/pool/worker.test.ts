// The inside of a worker, without a thread: what it replies to what it is sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unpackChunks } from "../../dist/chunk-records.js";
import { slices } from "../../dist/pool/blob.node.js";
import type { Order, Reply } from "../../dist/pool/messages.js";
import { working } from "../../dist/pool/worker.js";
import { moduleOf } from "../builds.js";
import { splitMix64 } from "../inputs.js";

const data = splitMix64(7, 3_000_000);
const module = new WebAssembly.Module(moduleOf("simd128"));
const cutting = { profile: "fastcdc-v2020/nc1/4096-16384-65536/blake3", offset: undefined };

/** A worker that was sent a module, and its replies. */
function started() {
  const replies: Reply[] = [];
  let heard = () => {};
  const work = working((reply) => {
    replies.push(reply);
    heard();
  }, slices);
  const send = (order: Order) => work(order);
  /** Resolves when there are `count` replies. */
  const replied = async (count: number) => {
    while (replies.length < count) await new Promise<void>((resolve) => (heard = resolve));
    return replies;
  };
  return { send, replied, replies };
}

function hashesOf(replies: Reply[], segment: number): string {
  const own = replies.filter((reply) => reply.segment === segment);
  const records = own.flatMap((reply) => ("records" in reply ? reply.records : []));
  return records
    .flatMap((each) => unpackChunks(each))
    .map(({ hashHex }) => hashHex)
    .join();
}

test("segments that are fed and segments of a blob have the same chunks, however they take turns", async () => {
  const { send, replied } = started();
  send({ type: "load", module });
  send({ type: "open", segment: 1, cutting, blob: undefined });
  send({ type: "open", segment: 2, cutting, blob: new Blob([data]) });
  for (let at = 0; at < data.length; at += 600_000) {
    const bytes = data.slice(at, at + 600_000);
    send({ type: "read", segment: 2, length: bytes.length });
    send({ type: "feed", segment: 1, bytes });
  }
  for (const segment of [1, 2]) send({ type: "finish", segment });
  const replies = await replied(12);
  const length = (of: number) =>
    replies.reduce(
      (sum, reply) => sum + (reply.segment === of && "length" in reply ? reply.length : 0),
      0,
    );
  assert.deepEqual([length(1), length(2)], [data.length, data.length]);
  assert.ok(hashesOf(replies, 1).length > 1000);
  assert.equal(hashesOf(replies, 1), hashesOf(replies, 2));
});

test("nothing follows the end of a segment", async () => {
  const { send, replied, replies } = started();
  send({ type: "load", module });
  send({ type: "open", segment: 1, cutting, blob: undefined });
  send({ type: "feed", segment: 1, bytes: data.slice() });
  send({ type: "close", segment: 1 });
  send({ type: "feed", segment: 1, bytes: data.slice() });
  send({ type: "close", segment: 5 });
  send({ type: "open", segment: 2, cutting, blob: undefined });
  send({ type: "finish", segment: 2 });
  await replied(1);
  assert.deepEqual(
    replies.map(({ segment }) => segment),
    [2],
  );
});

test("an error ends its segment and no other", async () => {
  const { send, replied } = started();
  send({ type: "load", module });
  send({ type: "open", segment: 1, cutting: { ...cutting, offset: -1 }, blob: undefined });
  send({ type: "open", segment: 2, cutting, blob: new Blob([data.slice(0, 9)]) });
  send({ type: "read", segment: 2, length: 10 });
  send({ type: "read", segment: 2, length: 10 });
  send({ type: "open", segment: 3, cutting, blob: undefined });
  send({ type: "feed", segment: 3, bytes: data.slice() });
  const replies = await replied(3);
  const codes = replies.map((reply) => ("failure" in reply ? reply.failure.code : undefined));
  assert.deepEqual(codes.sort(), ["invalid_argument", "invalid_argument", undefined]);
});
