// What any server of the upload protocol does: `docs/upload-protocol.md`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Manifest } from "chunker-cdc";
import { download, upload } from "chunker-cdc/dedup";
import { serveDisk } from "./servers.js";
import { codeOf, collect, digestHex, named, QUICK, randomBytes, SMALL } from "./support.js";

const data = randomBytes(200_000, 3);
const payload = data.subarray(0, 1000);
const digest = digestHex("sha256", payload);
const absent = "0".repeat(64);

/** Sends bytes as they are and returns all that is answered until the connection ends. */
async function raw(port: number, ...pieces: (string | Uint8Array | number)[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text) => {
    answer += text;
  });
  const closed = once(socket, "close").catch(() => {});
  socket.on("error", () => {});
  for (const piece of pieces) {
    if (typeof piece === "number") await sleep(piece);
    else socket.write(piece);
  }
  await closed;
  return answer;
}

function put(path: string, length: number | string, more = ""): string {
  return `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n${more}\r\n`;
}

test("an uploaded file comes back through the client and as one download", async (t) => {
  const { baseUrl, transport } = await serveDisk(t);
  for (const hash of ["sha256", "blake3"] as const) {
    const profile = { ...SMALL, hash };
    const first = await upload(new Blob([data]), { transport, profile });
    assert.equal(first.bytesSent, data.length);
    const second = await upload(new Blob([data, "tail"]), { transport, profile });
    assert.ok(second.newChunks <= 2);
    const bytes = await collect(download(second.rootDigest, { transport }));
    assert.deepEqual(bytes, Buffer.concat([data, Buffer.from("tail")]));
    const response = await fetch(transport.fileUrl(first.rootDigest, 'naïve "file".bin'));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-length"), String(data.length));
    assert.equal(
      response.headers.get("content-disposition"),
      `attachment; filename="na_ve _file_.bin"; filename*=UTF-8''na%C3%AFve%20%22file%22.bin`,
    );
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), data);
    for (const path of [
      `/v1/files/${first.rootDigest}`,
      `/v1/manifests/${first.rootDigest}`,
      `/v1/chunks/${hash}/${first.manifest.chunks[0]?.hashHex}`,
    ]) {
      const get = await fetch(baseUrl + path);
      const head = await fetch(baseUrl + path, { method: "HEAD" });
      assert.equal(head.status, 200, path);
      assert.equal((await head.arrayBuffer()).byteLength, 0);
      assert.equal(head.headers.get("content-length"), get.headers.get("content-length"));
      await get.arrayBuffer();
    }
  }
});

test("hostile and mistaken requests: each gets its answer and nothing is stored", async (t) => {
  const { baseUrl, root } = await serveDisk(t, {
    limits: { maxChunkBytes: 4096, maxManifestBytes: 4096 },
  });
  const manifest = Manifest.create(SMALL, [{ hash: new Uint8Array(32), length: 5 }]);
  const bytes = manifest.toBytes();
  const name = manifest.rootDigestHex;
  const tampered = (at: number, value: number) => bytes.slice().with(at, value);
  const json = { "content-type": "application/json" };
  const query = (body: unknown) => ({ method: "POST", headers: json, body: JSON.stringify(body) });
  const digests = [digest];
  const many = Array.from({ length: 10_001 }, (_, index) => index.toString(16).padStart(64, "0"));
  const chunkPath = `/v1/chunks/sha256/${digest}`;
  const cases: [string, string, RequestInit, number, string][] = [
    [
      "bytes of another digest",
      chunkPath,
      { method: "PUT", body: payload.subarray(1) },
      400,
      "digest_mismatch",
    ],
    ["empty chunk", chunkPath, { method: "PUT" }, 400, "empty_chunk"],
    [
      "chunk above the limit",
      chunkPath,
      { method: "PUT", body: data.slice(0, 4097) },
      413,
      "chunk_too_large",
    ],
    [
      "chunk far above the limit",
      chunkPath,
      { method: "PUT", body: randomBytes(3_000_000, 1) },
      413,
      "chunk_too_large",
    ],
    [
      "chunk without length",
      chunkPath,
      { method: "PUT", body: new Blob([payload]).stream(), duplex: "half" } as RequestInit,
      411,
      "length_required",
    ],
    [
      "compressed chunk",
      chunkPath,
      { method: "PUT", body: payload, headers: { "content-encoding": "gzip" } },
      415,
      "unsupported_media_type",
    ],
    [
      "unknown hash",
      `/v1/chunks/md5/${digest}`,
      { method: "PUT", body: payload },
      400,
      "unknown_hash_algorithm",
    ],
    [
      "hash from a prototype",
      `/v1/chunks/constructor/${digest}`,
      { method: "PUT", body: payload },
      400,
      "unknown_hash_algorithm",
    ],
    [
      "digest in capitals",
      `/v1/chunks/sha256/${digest.toUpperCase()}`,
      { method: "PUT", body: payload },
      400,
      "invalid_digest",
    ],
    [
      "digest too short",
      `/v1/chunks/sha256/${digest.slice(1)}`,
      { method: "PUT", body: payload },
      400,
      "invalid_digest",
    ],
    [
      "digest too long",
      `/v1/chunks/sha256/${digest}0`,
      { method: "PUT", body: payload },
      400,
      "invalid_digest",
    ],
    [
      "escaped digit",
      `/v1/chunks/sha256/%30${digest.slice(1)}`,
      { method: "PUT", body: payload },
      400,
      "invalid_digest",
    ],
    [
      "escaped traversal",
      `/v1/chunks/sha256/..%2f..%2f${digest}`,
      { method: "PUT", body: payload },
      400,
      "invalid_digest",
    ],
    [
      "query that is not JSON",
      "/v1/chunks/missing",
      { method: "POST", headers: json, body: "{" },
      400,
      "invalid_query",
    ],
    [
      "query that is not UTF-8",
      "/v1/chunks/missing",
      { method: "POST", headers: json, body: new Uint8Array([34, 255, 34]) },
      400,
      "invalid_query",
    ],
    ["query null", "/v1/chunks/missing", query(null), 400, "unknown_hash_algorithm"],
    [
      "query without digests",
      "/v1/chunks/missing",
      query({ hash: "sha256" }),
      400,
      "invalid_query",
    ],
    [
      "query of an unknown hash",
      "/v1/chunks/missing",
      query({ hash: "md5", digests }),
      400,
      "unknown_hash_algorithm",
    ],
    [
      "query of a number",
      "/v1/chunks/missing",
      query({ hash: "sha256", digests: [7] }),
      400,
      "invalid_digest",
    ],
    [
      "query of a traversal",
      "/v1/chunks/missing",
      query({ hash: "sha256", digests: ["../../../etc/passwd"] }),
      400,
      "invalid_digest",
    ],
    [
      "query of 10,001 digests",
      "/v1/chunks/missing",
      query({ hash: "sha256", digests: many }),
      413,
      "query_too_large",
    ],
    [
      "query above the limit",
      "/v1/chunks/missing",
      { method: "POST", headers: json, body: " ".repeat(2_000_000) },
      413,
      "query_too_large",
    ],
    [
      "query as text, as a foreign page could send it",
      "/v1/chunks/missing",
      { method: "POST", body: "{}" },
      415,
      "unsupported_media_type",
    ],
    [
      "manifest with missing chunks",
      `/v1/manifests/${name}`,
      { method: "PUT", body: bytes },
      409,
      "chunks_missing",
    ],
    [
      "manifest under another name",
      `/v1/manifests/${absent}`,
      { method: "PUT", body: bytes },
      400,
      "digest_mismatch",
    ],
    [
      "manifest of another version",
      `/v1/manifests/${name}`,
      { method: "PUT", body: tampered(7, 2) },
      400,
      "unsupported_manifest_version",
    ],
    [
      "manifest of an unknown profile",
      `/v1/manifests/${name}`,
      { method: "PUT", body: tampered(9, 0x78) },
      400,
      "invalid_manifest",
    ],
    [
      "manifest cut short",
      `/v1/manifests/${name}`,
      { method: "PUT", body: bytes.slice(0, -1) },
      400,
      "invalid_manifest",
    ],
    [
      "manifest with a tail",
      `/v1/manifests/${name}`,
      { method: "PUT", body: Buffer.concat([bytes, Buffer.alloc(1)]) },
      400,
      "invalid_manifest",
    ],
    [
      "manifest that says 2^56 chunks",
      `/v1/manifests/${name}`,
      { method: "PUT", body: tampered(bytes.length - 37, 1) },
      400,
      "invalid_manifest",
    ],
    ["empty manifest body", `/v1/manifests/${name}`, { method: "PUT" }, 400, "invalid_manifest"],
    [
      "manifest above the limit",
      `/v1/manifests/${name}`,
      { method: "PUT", body: data.slice(0, 5000) },
      413,
      "manifest_too_large",
    ],
    [
      "manifest name in capitals",
      `/v1/manifests/${"A".repeat(64)}`,
      { method: "PUT", body: bytes },
      400,
      "invalid_digest",
    ],
    ["absent chunk", `/v1/chunks/sha256/${absent}`, {}, 404, "chunk_not_found"],
    ["absent manifest", `/v1/manifests/${absent}`, {}, 404, "manifest_not_found"],
    ["absent file", `/v1/files/${absent}`, {}, 404, "manifest_not_found"],
    ["unknown path", "/v2/chunks", {}, 404, "not_found"],
    ["path with a tail", `${chunkPath}/x`, {}, 404, "not_found"],
    ["root", "/", {}, 404, "not_found"],
    ["unknown method", chunkPath, { method: "DELETE" }, 405, "method_not_allowed"],
    [
      "wrong method",
      "/v1/chunks/missing",
      { method: "PUT", body: "{}" },
      405,
      "method_not_allowed",
    ],
  ];
  for (const [what, path, init, status, code] of cases) {
    const response = await fetch(baseUrl + path, init);
    const body = await response.text();
    const answer = `${response.status} ${JSON.parse(body).code}`;
    assert.equal(answer, `${status} ${code}`, what);
    assert.equal(typeof JSON.parse(body).message, "string");
    t.diagnostic(`${what} → ${answer}`);
  }
  assert.deepEqual(await named(root), []);
});

test("hostile connections: each gets its answer and the server goes on", async (t) => {
  const { port, root, baseUrl } = await serveDisk(t, {
    limits: { maxChunkBytes: 4096, idleTimeoutMs: 150, bodyTimeoutMs: 400 },
  });
  const path = `/v1/chunks/sha256/${digest}`;
  const good = put(path, payload.length, "Connection: close\r\n");
  const slowly = Array.from({ length: 12 }, () => [100, "x"]).flat();
  const cases: [string, (string | Uint8Array | number)[], RegExp][] = [
    ["no HTTP", ["\x16\x03\x01hello\r\n\r\n"], /^HTTP\/1\.1 400 .*malformed_request/s],
    [
      "path with dots",
      [put("/v1/chunks/sha256/../../../x", 0, "Connection: close\r\n")],
      /^HTTP\/1\.1 404 .*not_found/s,
    ],
    ["negative length", [put(path, -1)], /^HTTP\/1\.1 400 .*malformed_request/s],
    ["fractional length", [put(path, "1.5")], /^HTTP\/1\.1 400 .*malformed_request/s],
    [
      "two lengths",
      [put(path, 5, "Content-Length: 6\r\n"), "hello"],
      /^HTTP\/1\.1 400 .*malformed_request/s,
    ],
    [
      "length and chunked",
      [put(path, 5, "Transfer-Encoding: chunked\r\n"), "0\r\n\r\n"],
      /^HTTP\/1\.1 400 .*malformed_request/s,
    ],
    [
      "head of 20 KiB",
      [put(path, 5, `X: ${"x".repeat(20_000)}\r\n`)],
      /^HTTP\/1\.1 431 .*headers_too_large/s,
    ],
    ["body longer than its length", [good, payload, "garbage\r\n\r\n"], /^HTTP\/1\.1 201 /],
    ["body that stops", [put(path, 1000), "only this"], /^HTTP\/1\.1 408 .*request_timeout/s],
    ["body that trickles", [put(path, 1000), ...slowly], /^HTTP\/1\.1 408 .*request_timeout/s],
    [
      "known digest, other bytes",
      [good, data.subarray(500, 1500)],
      /^HTTP\/1\.1 400 .*digest_mismatch/s,
    ],
    [
      "refused body of 1 GB announced",
      [put(path, 1e9), "xxxx"],
      /^HTTP\/1\.1 413 .*Connection: close.*chunk_too_large/is,
    ],
    [
      "too large, waiting for 100 Continue",
      [put(path, 1e9, "Expect: 100-continue\r\n")],
      /^HTTP\/1\.1 413 .*chunk_too_large/s,
    ],
    [
      "good, waiting for 100 Continue",
      [put(path, payload.length, "Expect: 100-continue\r\nConnection: close\r\n"), 50, payload],
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
    ],
    [
      "small refused body, then a good request",
      [put(path, 5000), data.subarray(0, 5000), good, payload],
      /^HTTP\/1\.1 413 .*HTTP\/1\.1 200 /s,
    ],
  ];
  for (const [what, pieces, expected] of cases) {
    const answer = await raw(port, ...pieces);
    assert.match(answer, expected, what);
    const codes = [...answer.matchAll(/HTTP\/1\.1 (\d+)|"code":"(\w+)"/g)].map((m) => m[1] ?? m[2]);
    t.diagnostic(`${what} → ${codes.join(" ")}`);
  }
  const gone = connect(port, "127.0.0.1");
  const other = digestHex("sha256", data.subarray(0, 4000));
  gone.write(put(`/v1/chunks/sha256/${other}`, 4000));
  gone.write(data.subarray(0, 2000));
  await sleep(50);
  gone.resetAndDestroy();
  await sleep(50);
  t.diagnostic("sender gone in mid-body → nothing stored");
  assert.deepEqual(await named(root), [digest], "something partial was stored");
  assert.equal((await fetch(`${baseUrl}${path}`)).status, 200);
});

test("what two parsers could understand in two ways is refused", async (t) => {
  const { port } = await serveDisk(t);
  const path = `/v1/chunks/sha256/${absent}`;
  const get = `GET ${path} HTTP/1.1\r\n`;
  const cases: Record<string, string> = {
    "folded line": `${get}Host: x\r\nA: b\r\n c\r\n`,
    "line that ends in LF": `${get}Host: x\r\nA: b\nc: d\r\n`,
    "line that ends in CR": `${get}Host: x\r\nA: b\rc: d\r\n`,
    "NUL in a value": `${get}Host: x\r\nA: b\0c\r\n`,
    "NUL in the path": "GET /\0 HTTP/1.1\r\nHost: x\r\n",
    "path that is not ASCII": "GET /v1/é HTTP/1.1\r\nHost: x\r\n",
    "space in the path": "GET /a b HTTP/1.1\r\nHost: x\r\n",
    "space before the method": ` ${get}Host: x\r\n`,
    "space before the colon": `${get}Host: x\r\nA : b\r\n`,
    "header without a name": `${get}Host: x\r\n: b\r\n`,
    "header without a colon": `${get}Host: x\r\nA b\r\n`,
    "length twice": `${get}Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n`,
    "list of lengths": `${get}Host: x\r\nContent-Length: 5, 5\r\n`,
    "length with a sign": `${get}Host: x\r\nContent-Length: +5\r\n`,
    "length without digits": `${get}Host: x\r\nContent-Length:\r\n`,
    "hexadecimal length": `${get}Host: x\r\nContent-Length: 0x5\r\n`,
    "length of 100 digits": `${get}Host: x\r\nContent-Length: ${"9".repeat(100)}\r\n`,
    "length and chunked": `${get}Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n`,
    "no host": get,
    "two hosts": `${get}Host: x\r\nHost: y\r\n`,
    "another version": `GET ${path} HTTP/2.0\r\nHost: x\r\n`,
    "no version": `GET ${path}\r\n`,
    "method that is no token": `G(T ${path} HTTP/1.1\r\nHost: x\r\n`,
  };
  for (const [what, head] of Object.entries(cases)) {
    assert.match(await raw(port, `${head}\r\n`), /^HTTP\/1\.1 400 .*malformed_request/s, what);
  }
});

test("what is only unusual is answered", async (t) => {
  const { port } = await serveDisk(t);
  const path = `/v1/chunks/sha256/${absent}`;
  const more = "Host: x\r\nConnection: close\r\n";
  const cases: [string, string, RegExp][] = [
    ["empty lines before it", `\r\n\r\nGET ${path} HTTP/1.1\r\n${more}`, /404 .*chunk_not_found/s],
    ["HTTP/1.0", `GET ${path} HTTP/1.0\r\n`, /404 .*chunk_not_found/s],
    ["any case of names", `GET ${path} HTTP/1.1\r\nhOST: x\r\ncONNECTION: Close\r\n`, /404 /],
    ["address for a proxy", `GET http://x${path} HTTP/1.1\r\n${more}`, /404 .*not_found/s],
    ["address of the server", `OPTIONS * HTTP/1.1\r\n${more}`, /404 .*not_found/s],
    [
      "unknown expectation",
      `GET ${path} HTTP/1.1\r\nExpect: x\r\n${more}`,
      /404 .*chunk_not_found/s,
    ],
    ["unread body", `GET ${path} HTTP/1.1\r\nContent-Length: 5\r\n${more}\r\nhello`, /404 /],
    [
      "transfer in gzip",
      `PUT ${path} HTTP/1.1\r\nTransfer-Encoding: gzip\r\n${more}`,
      /411 .*length_required/s,
    ],
    [
      "chunked body that is none",
      `PUT ${path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${more}\r\nzz\r\n`,
      /411 .*length_required/s,
    ],
  ];
  for (const [what, text, expected] of cases) {
    const answer = await raw(port, `${text}\r\n`);
    assert.match(answer, /^HTTP\/1\.1 /, what);
    assert.match(answer, expected, what);
  }
});

test("many large bodies refused at once are all answered", async (t) => {
  const { baseUrl } = await serveDisk(t, { limits: { maxChunkBytes: 4096 } });
  const url = `${baseUrl}/v1/chunks/sha256/${digest}`;
  for (const length of [100_000, 3_000_000]) {
    const body = randomBytes(length, 5);
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(url, { method: "PUT", body })).status),
    );
    assert.deepEqual(new Set(answers), new Set([413]));
  }
});

test("a manifest must give every chunk its own length", async (t) => {
  const { baseUrl, transport, root } = await serveDisk(t);
  const signal = new AbortController().signal;
  const body = { bytes: payload, length: payload.length, encoding: undefined };
  await transport.putChunk("sha256", digest, body, { signal });
  const hash = Buffer.from(digest, "hex");
  for (const lengths of [[999], [1024, 1000]]) {
    const manifest = Manifest.create(
      SMALL,
      lengths.map((length) => ({ hash, length })),
    );
    const response = await fetch(`${baseUrl}/v1/manifests/${manifest.rootDigestHex}`, {
      method: "PUT",
      body: manifest.toBytes(),
    });
    assert.equal(response.status, 400);
    assert.equal((await response.json()).code, "chunk_length_mismatch");
  }
  assert.deepEqual(await named(root), [digest]);
});

test("repeated requests are answered 200, the first 201", async (t) => {
  const { baseUrl, transport } = await serveDisk(t);
  const { manifest } = await upload(payload, { transport, profile: SMALL });
  const send = async (path: string, body: Uint8Array<ArrayBuffer>) =>
    (await fetch(baseUrl + path, { method: "PUT", body })).status;
  assert.equal(await send(`/v1/chunks/sha256/${digest}`, payload), 200);
  assert.equal(await send(`/v1/manifests/${manifest.rootDigestHex}`, manifest.toBytes()), 200);
  const other = data.slice(5, 50);
  assert.equal(await send(`/v1/chunks/sha256/${digestHex("sha256", other)}`, other), 201);
});

test("what is damaged is never delivered; it is missing again and an upload heals it", async (t) => {
  const { root, baseUrl, transport } = await serveDisk(t);
  const result = await upload(data, { transport, profile: SMALL });
  const { rootDigest, manifest } = result;
  const damage = async (index: number) => {
    const name = manifest.chunks[index]?.hashHex ?? "";
    const path = join(root, "chunks", "sha256", name.slice(0, 2), name);
    const bytes = await readFile(path);
    await writeFile(path, bytes.with(7, (bytes[7] ?? 0) ^ 1));
  };
  const retry = { ...QUICK, attempts: 2 };
  await damage(3);
  const response = await fetch(transport.fileUrl(rootDigest));
  assert.equal(response.status, 200);
  await assert.rejects(response.arrayBuffer(), "the body ended as if it were whole");
  const missing = await fetch(`${baseUrl}/v1/chunks/missing`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ hash: "sha256", digests: [manifest.chunks[3]?.hashHex] }),
  });
  assert.deepEqual(await missing.json(), {
    missing: [manifest.chunks[3]?.hashHex],
    encodings: ["zstd"],
  });
  assert.equal((await readdir(join(root, "damaged"))).length, 1);
  const healed = await upload(data, { transport, profile: SMALL });
  assert.equal(healed.newChunks, 1);

  await damage(0);
  const first = await fetch(transport.fileUrl(rootDigest));
  assert.equal(first.status, 500);
  assert.equal((await first.json()).code, "chunk_damaged");
  await upload(data, { transport, profile: SMALL });
  await damage(5);
  const code = await codeOf(collect(download(rootDigest, { transport, retry })));
  assert.equal(code, "chunk_not_found", "the second attempt meets a chunk that is set aside");
  await upload(data, { transport, profile: SMALL });
  assert.deepEqual(await collect(download(rootDigest, { transport })), Buffer.from(data));

  const path = join(root, "manifests", rootDigest.slice(0, 2), rootDigest);
  await writeFile(path, (await readFile(path)).subarray(1));
  const damaged = await fetch(transport.fileUrl(rootDigest));
  assert.equal(damaged.status, 500);
  assert.equal((await damaged.json()).code, "manifest_damaged");
  await upload(data, { transport, profile: SMALL });
  assert.deepEqual(await collect(download(rootDigest, { transport })), Buffer.from(data));
});

test("a reader that does not read is dropped", async (t) => {
  const { transport, port } = await serveDisk(t, { limits: { idleTimeoutMs: 100 } });
  const big = randomBytes(24 * 1024 * 1024, 4);
  const { rootDigest } = await upload(big, { transport });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET /v1/files/${rootDigest} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await sleep(1_000);
  let length = 0;
  socket.on("data", (bytes) => {
    length += bytes.length;
  });
  socket.resume();
  await once(socket, "close");
  assert.ok(length < big.length, "the answer waited for its reader");
});

test("buffered bodies are bounded: 503 with Retry-After, then served", async (t) => {
  const { port, baseUrl } = await serveDisk(t, {
    limits: { maxBufferedBytes: 1000, maxManifestBytes: 1000 },
  });
  const held = connect(port, "127.0.0.1");
  held.write(put(`/v1/manifests/${absent}`, 900));
  await sleep(50);
  const url = `${baseUrl}/v1/manifests/${absent}`;
  const busy = await fetch(url, { method: "PUT", body: data.slice(0, 200) });
  assert.equal(busy.status, 503);
  assert.equal(busy.headers.get("retry-after"), "1");
  held.destroy();
  await sleep(50);
  const after = await fetch(url, { method: "PUT", body: data.slice(0, 200) });
  assert.equal(after.status, 400);
});

test("manifests of files that are read are bounded: 503 with Retry-After, then served", async (t) => {
  const { transport, port } = await serveDisk(t, { limits: { maxServedBytes: 100 } });
  const big = randomBytes(24 * 1024 * 1024, 5);
  const { rootDigest } = await upload(big, { transport });
  const stalled = connect(port, "127.0.0.1");
  stalled.write(`GET /v1/files/${rootDigest} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(stalled, "readable");
  const busy = await fetch(transport.fileUrl(rootDigest));
  assert.equal(busy.status, 503);
  assert.equal(busy.headers.get("retry-after"), "1");
  assert.equal((await busy.json()).code, "server_busy");
  stalled.destroy();
  await sleep(50);
  const after = await fetch(transport.fileUrl(rootDigest));
  assert.deepEqual(Buffer.from(await after.arrayBuffer()), Buffer.from(big));
});

test("CORS: off by default, and as told", async (t) => {
  const origin = "https://example.org";
  const ask = (baseUrl: string, from = origin) =>
    fetch(`${baseUrl}/v1/chunks/missing`, {
      method: "OPTIONS",
      headers: { origin: from, "access-control-request-method": "POST" },
    });
  const closed = await ask((await serveDisk(t)).baseUrl);
  assert.equal(closed.status, 204);
  assert.equal(closed.headers.get("access-control-allow-origin"), null);
  const cors = { origins: [origin], headers: ["authorization"] };
  const { baseUrl } = await serveDisk(t, { cors });
  const open = await ask(baseUrl);
  assert.equal(open.headers.get("access-control-allow-origin"), origin);
  assert.equal(open.headers.get("access-control-allow-headers"), "content-type, authorization");
  assert.equal(open.headers.get("access-control-allow-methods"), "POST, OPTIONS");
  const foreign = await ask(baseUrl, "https://example.com");
  assert.equal(foreign.headers.get("access-control-allow-origin"), null);
  const any = await ask((await serveDisk(t, { cors: { origins: "*" } })).baseUrl);
  assert.equal(any.headers.get("access-control-allow-origin"), "*");
});

test("twenty uploads of the same file at once all succeed", async (t) => {
  const { root, transport } = await serveDisk(t);
  const results = await Promise.all(
    Array.from({ length: 20 }, () => upload(data, { transport, profile: SMALL })),
  );
  assert.equal(new Set(results.map(({ rootDigest }) => rootDigest)).size, 1);
  const names = await named(root);
  assert.equal(names.length, (results[0]?.chunks ?? 0) + 1);
});

test("a server that refuses everything is a typed error with its status", async (t) => {
  const { baseUrl } = await serveDisk(t);
  const { HttpTransport } = await import("chunker-cdc/dedup");
  const wrong = new HttpTransport({ baseUrl: `${baseUrl}/elsewhere/` });
  const error = await upload(data, { transport: wrong, profile: SMALL }).catch((e) => e);
  assert.equal(error.code, "not_found");
  assert.equal(error.status, 404);
  const nobody = new HttpTransport({ baseUrl: "http://127.0.0.1:1" });
  const retry = { ...QUICK, attempts: 3 };
  assert.equal(await codeOf(upload(data, { transport: nobody, retry })), "network_error");
  assert.throws(() => new HttpTransport(), TypeError, "Node has no page to be relative to");
});
