// What the server for Node offers besides the protocol.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { toHex } from "chunker-cdc";
import { HttpTransport, upload } from "chunker-cdc/dedup";
import { type ChunkStore, createUploadHandler, DiskChunkStore } from "chunker-cdc/dedup/server";
import { codeOf, digestHex, QUICK, randomBytes, serve, temporaryDirectory } from "./support.js";

const data = randomBytes(200_000, 3);
const payload = data.subarray(0, 1000);
const digest = digestHex("sha256", payload);

test("onError is told of a failure that is not the sender's, and of no other", async (t) => {
  const root = await temporaryDirectory(t);
  const codes: unknown[] = [];
  const store = await DiskChunkStore.open(root);
  const onError = (error: unknown) => codes.push((error as { code: unknown }).code);
  const { baseUrl } = await serve(t, { store, onError });
  const url = `${baseUrl}/v1/chunks/sha256/${digest}`;
  const status = async (init?: RequestInit) => {
    const response = await fetch(url, init);
    await response.arrayBuffer();
    return response.status;
  };
  assert.equal(await status(), 404);
  assert.equal(await status({ method: "PUT", body: payload }), 201);
  await writeFile(join(root, "chunks", "sha256", digest.slice(0, 2), digest), "damage");
  assert.deepEqual(codes, []);
  assert.equal(await status(), 500);
  assert.deepEqual(codes, ["chunk_damaged"]);
});

test("failures of the store: 507 when it is full, 500 otherwise, never a stored chunk", async (t) => {
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  let failure: Error = full;
  const fail = () => Promise.reject(failure);
  const store: ChunkStore = {
    chunkLengths: async (_, digests) => digests.map(() => undefined),
    putChunk: fail,
    getChunk: fail,
    setAsideChunk: fail,
    getManifest: fail,
    putManifest: fail,
  };
  const { baseUrl } = await serve(t, { store });
  const url = `${baseUrl}/v1/chunks/sha256/${digest}`;
  const answer = async (init?: RequestInit) => {
    const response = await fetch(url, init);
    return `${response.status} ${(await response.json()).code}`;
  };
  const init = { method: "PUT", body: payload };
  assert.equal(await answer(init), "507 insufficient_storage");
  failure = new Error("broken");
  assert.equal(await answer(init), "500 internal_error");
  assert.equal(await answer(), "500 internal_error");
});

test("a plain handler serves beside other routes of a server", async (t) => {
  const root = await temporaryDirectory(t);
  const handler = createUploadHandler({ store: await DiskChunkStore.open(root) });
  const server = createServer((incoming, response) => {
    if (incoming.url?.startsWith("/v1/")) void handler(incoming, response);
    else response.end("mine");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const outgoing = request({
    port,
    host: "127.0.0.1",
    path: `/v1/chunks/sha256/${toHex(new Uint8Array(32))}`,
  });
  outgoing.end();
  const [answer] = await once(outgoing, "response");
  assert.equal(answer.statusCode, 404);
  answer.resume();
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "mine");
  server.closeAllConnections();
});

test("the transport sends its headers and gives up after its time", async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((incoming) => seen.push(incoming.headers.authorization));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const transport = new HttpTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    headers: async () => ({ authorization: "Bearer token" }),
    timeoutMs: 50,
  });
  const retry = { ...QUICK, attempts: 2 };
  assert.equal(await codeOf(upload(data, { transport, retry })), "request_timeout");
  assert.deepEqual(seen, ["Bearer token", "Bearer token"]);
});
