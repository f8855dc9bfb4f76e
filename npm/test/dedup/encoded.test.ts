// Chunks that are compressed on their way to the server.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compress, trainDictionary } from "chunker-cdc/codecs";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import { serveDisk } from "./servers.js";
import { collect, compressibleBytes, digestHex, named, randomBytes, SMALL } from "./support.js";

const compressible = compressibleBytes(200_000, 21);
const random = randomBytes(200_000, 22);
const mixed = new Blob([compressible, random]);
const settings = { profile: SMALL, compression: "zstd" } as const;

/** A zstd frame without a content size (RFC 8878, §3.1.1): blocks of one repeated byte. */
function repeating(
  windowLog: number,
  blocks: number,
  blockLength: number,
): Uint8Array<ArrayBuffer> {
  const frame = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3];
  for (let left = blocks; left > 0; left -= 1) {
    const header = (blockLength << 3) | (1 << 1) | (left === 1 ? 1 : 0);
    frame.push(header & 0xff, (header >> 8) & 0xff, header >> 16, 0);
  }
  return Uint8Array.from(frame);
}

function joined(...parts: (Uint8Array | string)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array))));
}

/** A transport whose requests go through `intercept`. */
function through(
  baseUrl: string,
  intercept: (url: string, send: () => Promise<Response>) => Promise<Response>,
): HttpTransport {
  return new HttpTransport({
    baseUrl,
    fetch: (input, init) => intercept(String(input), () => fetch(input, init)),
  });
}

test("the file, its manifest and the store are the same, however chunks are sent", async (t) => {
  for (const hash of ["sha256", "blake3"] as const) {
    const profile = { ...SMALL, hash };
    const plain = await serveDisk(t);
    const whole = await upload(mixed, { transport: plain.transport, profile });
    assert.equal(whole.bytesOnWire, whole.bytesSent);
    for (const compressionLevel of [undefined, 1, 19]) {
      const { root, transport } = await serveDisk(t);
      const result = await upload(mixed, { ...settings, profile, transport, compressionLevel });
      assert.equal(result.rootDigest, whole.rootDigest);
      assert.equal(result.bytesSent, whole.bytesSent);
      assert.ok(result.bytesOnWire < 0.8 * result.bytesSent, `${result.bytesOnWire} bytes`);
      assert.ok(result.bytesOnWire > random.length, "random bytes were shrunk");
      assert.deepEqual((await named(root)).sort(), (await named(plain.root)).sort());
      const bytes = await collect(download(result.rootDigest, { transport }));
      assert.deepEqual(bytes, Buffer.from(await mixed.arrayBuffer()));
      const again = await upload(mixed, { ...settings, profile, transport });
      assert.equal(again.bytesSent + again.bytesOnWire, 0);
    }
  }
});

test("a chunk that does not shrink is sent as it is", async (t) => {
  const { baseUrl } = await serveDisk(t);
  const encoded: boolean[] = [];
  const transport = through(baseUrl, (url, send) => {
    if (/chunks\/sha256/.test(url)) encoded.push(url.includes("encoding=zstd"));
    return send();
  });
  const result = await upload(random, { ...settings, transport });
  assert.equal(result.bytesOnWire, random.length);
  assert.deepEqual(new Set(encoded), new Set([false]));
  await upload(compressible, { ...settings, transport });
  assert.deepEqual(new Set(encoded.slice(result.newChunks)), new Set([true]));
});

test("the largest chunk compresses within the window at every level", async (t) => {
  const { transport } = await serveDisk(t);
  const size = 16 * 1024 * 1024;
  const profile = { minSize: size, avgSize: size, maxSize: size };
  for (const [seed, compressionLevel] of [1, 19].entries()) {
    const part = compressibleBytes(1024 * 1024, seed);
    const source = new Blob(Array.from({ length: 16 }, () => part));
    const result = await upload(source, { ...settings, profile, transport, compressionLevel });
    assert.equal(result.newChunks, 1);
    assert.ok(result.bytesOnWire < 0.6 * size);
  }
});

test("a server that announces no encoding is sent none, as is one that announces others", async (t) => {
  for (const encodings of [undefined, [], ["br", 7, null]]) {
    const { baseUrl } = await serveDisk(t);
    const transport = through(baseUrl, async (url, send) => {
      assert.ok(!url.includes("?"), url);
      const response = await send();
      if (!url.endsWith("/missing")) return response;
      return Response.json({ ...(await response.json()), encodings });
    });
    const result = await upload(compressible, { ...settings, transport });
    assert.equal(result.bytesOnWire, compressible.length);
  }
});

test("after a 415 chunks are sent as they are, and the upload succeeds", async (t) => {
  const { baseUrl } = await serveDisk(t);
  let refused = 0;
  const transport = through(baseUrl, async (url, send) => {
    if (!url.includes("encoding=")) return send();
    refused += 1;
    const body = { code: "unsupported_encoding", message: "an older server" };
    return Response.json(body, { status: 415 });
  });
  const result = await upload(compressible, { ...settings, transport, concurrency: 1 });
  assert.equal(refused, 1);
  assert.equal(result.bytesOnWire, compressible.length);
  const bytes = await collect(download(result.rootDigest, { transport }));
  assert.deepEqual(bytes, Buffer.from(compressible));
});

test("an error of an encoded chunk other than 415 is the upload's error", async (t) => {
  const { baseUrl } = await serveDisk(t);
  const transport = through(baseUrl, async (url, send) => {
    if (!url.includes("encoding=")) return send();
    return Response.json({ code: "truncated_data", message: "cut" }, { status: 400 });
  });
  await assert.rejects(upload(compressible, { ...settings, transport }), {
    code: "truncated_data",
    status: 400,
  });
});

test("hostile encoded chunks: each gets its answer and nothing is stored", async (t) => {
  const limits = { maxChunkBytes: 100_000 };
  const { baseUrl, root } = await serveDisk(t, { limits });
  const chunk = compressible.slice(0, 10_000);
  const digest = digestHex("sha256", chunk);
  const body = await compress("zstd", chunk);
  const samples = Array.from({ length: 200 }, (_, seed) => compressibleBytes(500, seed));
  const dictionary = await trainDictionary(samples, 4096);
  const withDictionary = await compress("zstd", chunk, { dictionary });
  const zeroes = await compress("zstd", new Uint8Array(64 * 1024 * 1024));
  const zeros = digestHex("sha256", new Uint8Array(10_000));
  const of = (length: unknown) => `?encoding=zstd&length=${length}`;
  const right = of(chunk.length);
  const cases: [string, string, Uint8Array<ArrayBuffer>, string][] = [
    ["bomb that tells its size", of(99_999), zeroes, "400 size_exceeded"],
    ["bomb of 1 GiB without a size", of(99_999), repeating(20, 8192, 131_072), "400 size_exceeded"],
    ["one byte more than announced", of(9_999), body, "400 size_exceeded"],
    ["one byte less than announced", of(10_001), body, "400 chunk_length_mismatch"],
    ["cut short", right, body.slice(0, -1), "400 truncated_data"],
    ["only the magic", right, body.slice(0, 4), "400 truncated_data"],
    ["a byte behind the frame", right, joined(body, "x"), "400 zstd_decompression_failed"],
    ["text behind the frame", right, joined(body, "tail of it"), "400 zstd_decompression_failed"],
    ["a second frame", right, joined(body, body.slice(0, 9)), "400 truncated_data"],
    ["a window of 16 MiB", right, repeating(24, 1, 10_000), "400 window_exceeded"],
    ["a window of 2 GiB", right, repeating(31, 1, 10_000), "400 window_exceeded"],
    ["not zstd", right, chunk.slice(0, 500), "400 zstd_decompression_failed"],
    ["a damaged block", right, body.with(20, (body[20] ?? 0) ^ 0xff), "400 *"],
    ["a dictionary", right, withDictionary, "400 zstd_decompression_failed"],
    ["bytes of another digest", right, repeating(20, 1, 10_000), "400 digest_mismatch"],
    ["unknown encoding", "?encoding=gzip&length=10000", body, "415 unsupported_encoding"],
    ["encoding in capitals", "?encoding=ZSTD&length=10000", body, "415 unsupported_encoding"],
    ["no encoding's name", "?encoding=&length=10000", body, "415 unsupported_encoding"],
    ["two encodings", `${right}&encoding=zstd`, body, "415 unsupported_encoding"],
    ["no length", "?encoding=zstd", body, "400 invalid_length"],
    ["two lengths", `${right}&length=10000`, body, "400 invalid_length"],
    ["length with a zero before it", of("010000"), body, "400 invalid_length"],
    ["negative length", of("-10000"), body, "400 invalid_length"],
    ["length with an exponent", of("1e4"), body, "400 invalid_length"],
    ["hexadecimal length", of("0x2710"), body, "400 invalid_length"],
    ["length of 30 digits", of("1".repeat(30)), body, "400 invalid_length"],
    ["length above the limit", of(100_001), body, "413 chunk_too_large"],
    ["length 0", of(0), body, "400 empty_chunk"],
    ["empty body", right, new Uint8Array(0), "400 empty_chunk"],
    ["body as long as the chunk", of(body.length), body, "400 invalid_length"],
    ["body above the limit", of(100_000), compressible.slice(0, 100_001), "413 chunk_too_large"],
    ["encoded, but not said to be", "", body, "400 digest_mismatch"],
  ];
  const refuseAll = async () => {
    for (const [what, query, body, expected] of cases) {
      const url = `${baseUrl}/v1/chunks/sha256/${digest}${query}`;
      const response = await fetch(url, { method: "PUT", body });
      const { code, message } = await response.json();
      const answer = `${response.status} ${code}`;
      if (expected.endsWith("*")) assert.equal(response.status, 400, what);
      else assert.equal(answer, expected, `${what}: ${message}`);
      t.diagnostic(`${what} → ${answer}`);
    }
  };
  await refuseAll();
  assert.deepEqual(await named(root), []);
  const url = `${baseUrl}/v1/chunks/sha256/${digest}`;
  const good = { method: "PUT", body };
  assert.equal((await fetch(`${url}${right}&other=1`, good)).status, 201);
  assert.equal((await fetch(url + right, good)).status, 200);
  // The answers do not depend on what is stored.
  await refuseAll();
  assert.deepEqual(await named(root), [digest]);
  const header = { "content-encoding": "zstd" };
  assert.equal((await fetch(url + right, { ...good, headers: header })).status, 415);
  // At the edge of the limits, and in several frames.
  const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7);
  const frames = joined(repeating(23, 1, 5_000), skippable, repeating(10, 5, 1_000));
  const accepted = `${baseUrl}/v1/chunks/sha256/${zeros}${right}`;
  const answer = await fetch(accepted, { method: "PUT", body: frames });
  assert.deepEqual(await answer.json(), { digest: zeros, length: 10_000 });
  const stored = await fetch(`${baseUrl}/v1/chunks/sha256/${zeros}`);
  assert.deepEqual(new Uint8Array(await stored.arrayBuffer()), new Uint8Array(10_000));
});

test("slow senders of encoded chunks hold bounded memory, and others go on", async (t) => {
  const limits = { maxBufferedBytes: 10_000, idleTimeoutMs: 300 };
  const { port, baseUrl, transport, root } = await serveDisk(t, { limits });
  const path = `/v1/chunks/sha256/${"0".repeat(64)}?encoding=zstd&length=20000`;
  const held = connect(port, "127.0.0.1");
  held.on("error", () => {});
  held.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9900\r\n\r\n`);
  await sleep(50);
  const busy = await fetch(baseUrl + path, { method: "PUT", body: compressible.slice(0, 200) });
  assert.equal(busy.status, 503);
  assert.equal(busy.headers.get("retry-after"), "1");
  const retry = { baseDelayMs: 100, maxDelayMs: 100, attempts: 100 };
  const result = await upload(compressible, { ...settings, transport, retry });
  assert.ok(result.bytesOnWire < result.bytesSent);
  assert.equal((await named(root)).length, result.chunks + 1);
  held.destroy();
});
