// What the servers for Node promise besides the protocol, whose laws are those of
// `store/tests/protocol/suite.rs`: `make test-server` runs them over this server too.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Manifest } from "chunker-cdc";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import {
  createFetchHandler,
  createUploadHandler,
  createUploadServer,
  Refusal,
  STORE_ERROR_CODES,
  Store,
  type StoredFile,
  type UploadHandlerOptions,
  type UploadRequest,
  type UploadServer,
  type UploadServerOptions,
} from "chunker-cdc/dedup/server";
import {
  codeOf,
  collect,
  digestHex,
  QUICK,
  randomBytes,
  SMALL,
  temporaryDirectory,
} from "./support.js";
import { packOf } from "./wire.js";

const NPM = fileURLToPath(new URL("../../", import.meta.url));
const data = randomBytes(200_000, 3);
const profile = SMALL;
const retry = { ...QUICK, attempts: 2 };

async function serving(t: TestContext, options: UploadServerOptions = {}) {
  const path = await temporaryDirectory();
  const store = await Store.open(path, { cache: false });
  const server = await createUploadServer({ store, ...options });
  t.after(() => server.close({ graceMs: 0 }));
  return { ...server, path, store, transport: new HttpTransport({ baseUrl: server.url }) };
}

/** Listens with what somebody else has written. */
async function listening(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Uploads and downloads through a server, and returns the file's name. */
async function roundTrip(baseUrl: string): Promise<string> {
  const transport = new HttpTransport({ baseUrl });
  const { root } = await upload(data, { transport, profile, retry });
  assert.ok((await collect(download(root, { transport, retry }))).equals(data));
  const range = { headers: { range: "bytes=1000-2999" } };
  const part = await fetch(transport.fileUrl(root), range);
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), `bytes 1000-2999/${data.length}`);
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), data.slice(1000, 3000));
  const head = await fetch(transport.fileUrl(root), { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), String(data.length));
  const tag = { headers: { "if-none-match": head.headers.get("etag") ?? "" } };
  assert.equal((await fetch(transport.fileUrl(root), tag)).status, 304);
  return root;
}

const pack = packOf([{ hash: "sha256", bytes: data.subarray(0, 5000) }]);
const OCTETS = { "content-type": "application/octet-stream" };
const packed = (body = pack): RequestInit => ({
  method: "POST",
  headers: OCTETS,
  body: body.slice(),
});

async function answerTo(url: string, init?: RequestInit): Promise<string> {
  const response = await fetch(url, init);
  const text = await response.text();
  return response.ok ? String(response.status) : `${response.status} ${JSON.parse(text).code}`;
}

/** Waits until nothing is left of what was given up. */
async function holdsNothing(path: string): Promise<void> {
  for (let left = 100; ; left -= 1) {
    const names = await readdir(path, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile() && entry.name !== "format");
    if (files.length === 0) return;
    if (left === 0) assert.fail(files.map(({ name }) => name).join());
    await sleep(20);
  }
}

test("a store is used by the server and by the program at the same time", async (t) => {
  const { url, store, path } = await serving(t);
  const root = await roundTrip(url);
  assert.equal(store.url, pathToFileURL(path).href);
  const files: StoredFile[] = [];
  for await (const file of store.files()) files.push(file);
  assert.deepEqual(
    files.map(({ root, length }) => ({ root, length })),
    [{ root, length: data.length }],
  );
  assert.match(files[0]?.committed ?? "", /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok((await collect(store.read(root))).equals(data));
  const range = { start: 100_000, end: 100_010 };
  assert.deepEqual(
    await collect(store.read(root, { range })),
    Buffer.from(data.slice(1e5, 100_010)),
  );
  assert.equal((await collect(store.read(root, { range: { start: 199_999 } }))).length, 1);
  for await (const _ of store.read(root)) break;
  const usage = await store.usage();
  assert.ok(usage.files === 1 && usage.packs > 0 && usage.chunks > 10 && usage.bytes > 190_000);
  assert.ok((await store.check({ readData: true })).sound);
  assert.equal(await store.delete(root), true);
  assert.equal(await store.delete(root), false);
  assert.equal(await codeOf(collect(store.read(root))), "root_not_found");
  const { deletedPacks } = await store.collect({ minAgeMs: 0 });
  assert.equal(deletedPacks, usage.packs);
  assert.equal((await store.usage()).bytes, 0);
});

test("the range of a store's file is checked as that of a download", async (t) => {
  const { url, store } = await serving(t);
  const root = await roundTrip(url);
  for (const range of [null, 5, [2], { begin: 2 }, { start: "2" }, { start: -1 }, { end: 1.5 }]) {
    const reading = collect(store.read(root, { range } as never));
    assert.equal(await codeOf(reading), "invalid_argument", JSON.stringify(range));
  }
});

test("a check names what is damaged, and a repair takes it out of use", async (t) => {
  const { url, store, path, transport } = await serving(t);
  const root = await roundTrip(url);
  const [name = ""] = await readdir(join(path, "packs"));
  const bytes = await readFile(join(path, "packs", name));
  const at = bytes.indexOf(Buffer.from(data.subarray(50_000, 50_016)));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(join(path, "packs", name), bytes);
  const report = await store.check({ readData: true, repair: true });
  assert.equal(report.sound, false);
  assert.deepEqual(
    report.damagedPacks.map(({ chunks }) => chunks.length),
    [1],
  );
  assert.deepEqual(
    report.hurtFiles.map(({ name }) => name),
    [root],
  );
  await upload(data, { transport, profile });
  assert.ok((await collect(store.read(root))).equals(data));
});

test("errors of a store have a code of the list, and options are checked", async () => {
  const path = await temporaryDirectory();
  await writeFile(join(path, "other"), "");
  const codes = await Promise.all([
    codeOf(Store.open(path)),
    codeOf(Store.open("")),
    codeOf(Store.open("ftp://x/y")),
    codeOf(Store.open(join(path, "none"), { create: false })),
    codeOf(Store.open("memory://a", { level: 99 })),
  ]);
  const [notOne, ...rest] = codes;
  assert.equal(notOne, "not_a_store");
  assert.deepEqual(rest, [
    "invalid_store_address",
    "invalid_store_address",
    "store_not_found",
    "invalid_store_option",
  ]);
  for (const code of codes) assert.ok((STORE_ERROR_CODES as readonly unknown[]).includes(code));
  const any = Store as unknown as { open(...of: unknown[]): Promise<Store> };
  for (const bad of [
    any.open(),
    any.open(7),
    any.open("memory://a", { levle: 3 }),
    any.open("memory://a", 3),
  ]) {
    await assert.rejects(bad, { name: "ChunkerError", code: "invalid_argument" });
  }
  for (const bad of [{ level: "3" }, { level: 1.5 }, { create: 1 }, { cache: 5 }]) {
    assert.equal(
      await codeOf(any.open("memory://a", bad)),
      "invalid_argument",
      JSON.stringify(bad),
    );
  }
  const store = await Store.open("memory://a");
  assert.equal(await codeOf(store.delete("x")), "invalid_root");
  const signal = AbortSignal.abort();
  assert.equal(await codeOf(store.check({ signal })), "aborted");
  assert.equal(await codeOf(store.collect({ signal })), "aborted");
});

test("the codes are those of the store", async () => {
  const folder = join(NPM, "../store/src");
  // The simulation is of tests alone.
  const names = (await readdir(folder, { recursive: true })).filter(
    (name) => name.endsWith(".rs") && !name.startsWith("simulation"),
  );
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  const codes = texts.flatMap((text) =>
    [...text.matchAll(/fn code\(&self\)[^{]*\{\n(.*?)\n {4}\}/gs)].flatMap(([, body = ""]) =>
      [...body.matchAll(/"([a-z_]+)"/g)].map(([, code]) => code),
    ),
  );
  // Those of commits and names are the engine's alone.
  const all = new Set(
    codes.filter((code) => !["chunks_missing", "invalid_object_name"].includes(code as string)),
  );
  assert.deepEqual([...STORE_ERROR_CODES].sort(), [...all].sort());
});

test("Express mounts a handler in a line, a plain server by its prefix", async (t) => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const handler = createUploadHandler({ store });
  // As Express does: what is mounted does not see where.
  const express = await listening(t, (request, response) => {
    if (!request.url?.startsWith("/store/")) return response.end("mine");
    request.url = request.url.slice("/store".length);
    return handler(request, response);
  });
  const root = await roundTrip(`${express}/store`);
  const prefixed = createUploadHandler({ store, prefix: "/a/b" });
  const plain = await listening(t, (request, response) => {
    if (request.url?.startsWith("/a/b/")) void prefixed(request, response);
    else response.end("mine");
  });
  assert.equal(await roundTrip(`${plain}/a/b`), root);
  for (const url of [express, plain]) assert.equal(await (await fetch(url)).text(), "mine");
  assert.equal(await answerTo(`${plain}/a/b/v2`), "404 not_found");
});

test("middleware may keep what is written, or write it later", async (t) => {
  const { store, transport } = await serving(t);
  const long = randomBytes(5_000_000, 8);
  const { root } = await upload(long, { transport, profile });
  const handler = createUploadHandler({ store });
  const kept: Uint8Array[] = [];
  /** Writes at the end; calls back at once, or never. */
  const later = (response: ServerResponse, callsBack: boolean) => {
    const held: Uint8Array[] = [];
    const [write, end] = [response.write, response.end];
    response.write = (piece: Uint8Array, onWritten?: unknown) => {
      held.push(piece);
      if (callsBack) (onWritten as () => void)();
      return true;
    };
    response.end = () => {
      for (const piece of held) write.call(response, piece, "utf8");
      return end.call(response, undefined, "utf8");
    };
  };
  const url = await listening(t, (request, response) => {
    if (request.url?.endsWith("?tee")) {
      const { write } = response;
      response.write = ((...args: Parameters<typeof write>) => {
        kept.push(args[0]);
        return write.apply(response, args);
      }) as typeof write;
    } else later(response, request.url?.endsWith("?early") === true);
    request.url = request.url?.replace(/\?.*/, "");
    void handler(request, response);
  });
  for (const query of ["?tee", "?early", "?never"]) {
    const answer = await fetch(new HttpTransport({ baseUrl: url }).fileUrl(root) + query);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(long), query);
  }
  assert.ok(Buffer.concat(kept).equals(long));
});

test("a manifest above the limit is refused, even if the file is there", async (t) => {
  const { path, transport } = await serving(t);
  const { manifest } = await upload(data, { transport, profile });
  const manifestLimit = manifest.toBytes().length - 1;
  const store = await Store.open(path, { cache: false, manifestLimit });
  const narrow = await createUploadServer({ store });
  t.after(() => narrow.close({ graceMs: 0 }));
  const again = upload(data, {
    transport: new HttpTransport({ baseUrl: narrow.url }),
    profile,
    retry,
  });
  assert.equal(await codeOf(again), "manifest_too_large");
});

test("HTTP/2 is answered the same", async (t) => {
  const handler = createUploadHandler({ store: "memory://h2" });
  const server = createHttp2Server((request, response) => {
    void handler(request as never, response as never);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.destroy();
    server.close();
  });
  const ask = async (path: string, body?: Uint8Array) => {
    const head = body && { ":method": "POST", ...OCTETS, "content-length": body.length };
    const stream = client.request({ ":path": path, ...head });
    stream.end(body);
    const [headers] = await once(stream, "response");
    return [headers[":status"], (await collect(stream)).toString("latin1")];
  };
  assert.equal((await ask("/v1"))[0], 200);
  assert.deepEqual(await ask("/v1/chunks/sha256/missing", new Uint8Array(32)), [200, "\x01"]);
  assert.equal((await ask("/v1/packs/sha256", pack))[0], 200);
  const [status, refusal] = await ask("/v1/packs/sha256", new Uint8Array(3_000_000));
  assert.deepEqual([status, JSON.parse(refusal).code], [400, "invalid_pack"]);
});

/** Listens as the servers of fetch in Node do. */
function listeningByFetch(t: TestContext, handler: (request: Request) => Promise<Response>) {
  return listening(t, async (incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const gone = new AbortController();
    outgoing.on("close", () => gone.abort());
    const body = method === "GET" || method === "HEAD" ? null : Readable.toWeb(incoming);
    const init = {
      method,
      body,
      headers: headers as HeadersInit,
      duplex: "half",
      signal: gone.signal,
    };
    try {
      const request = new Request(new URL(url, "http://x"), init as RequestInit);
      const response = await handler(request);
      outgoing.writeHead(response.status, [...response.headers].flat());
      if (response.body === null) outgoing.end();
      else
        Readable.fromWeb(response.body as never)
          .on("error", () => outgoing.destroy())
          .pipe(outgoing);
    } catch {
      outgoing.destroy();
    }
  });
}

test("a fetch handler does the same", async (t) => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const seen: string[] = [];
  const handler = createFetchHandler({
    store,
    prefix: "/files",
    authorize: (request, { operation }) => {
      seen.push(operation);
      return request.headers.get("x-no") === null;
    },
    onCommit: (root, size) => seen.push(`${root} ${size}`),
  });
  const url = await listeningByFetch(t, handler);
  const root = await roundTrip(`${url}/files`);
  assert.ok(seen.includes("write_pack") && seen.includes(`${root} ${data.length}`));
  assert.equal(await answerTo(`${url}/files/v1`, { headers: { "x-no": "1" } }), "403 forbidden");
  assert.equal(await answerTo(`${url}/v1`), "404 not_found");
  const large = randomBytes(3_000_000, 1);
  assert.equal(await answerTo(`${url}/files/v1/packs/sha256`, packed(large)), "400 invalid_pack");
  const read = new Request(`${url}/files/v1/packs/sha256`, {
    ...packed(),
    headers: { ...OCTETS, "content-length": String(pack.length) },
  });
  await read.arrayBuffer();
  const answer = await handler(read);
  assert.equal(`${answer.status} ${(await answer.json()).code}`, "501 body_consumed");
});

test("what a server has passed on of a body is not kept", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const handler = createFetchHandler({ store: "memory://kept" });
  const chunks = Array.from({ length: 20 }, (_, seed) => randomBytes(60_000, 100 + seed));
  const pack = packOf(chunks.map((bytes) => ({ hash: "sha256", bytes })));
  const pieces: WeakRef<Uint8Array>[] = [];
  const kept: number[] = [];
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const at = pieces.length * 50_000;
      if (at >= pack.length) {
        for (let tries = 0; tries < 20; tries += 1) {
          await sleep(10);
          collectGarbage();
        }
        kept.push(pieces.filter((piece) => piece.deref() !== undefined).length);
        controller.close();
        return;
      }
      const piece = pack.slice(at, at + 50_000);
      pieces.push(new WeakRef(piece));
      controller.enqueue(piece);
    },
  });
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": `${pack.length}`,
  };
  const init = { method: "POST", headers, body, duplex: "half" };
  const answer = await handler(new Request("http://x/v1/packs/sha256", init as RequestInit));
  assert.equal(answer.status, 200);
  assert.ok((kept[0] ?? pieces.length) <= 3, `${kept} of ${pieces.length}`);
});

test("a fetch handler cuts what is not read, and leaves what is slow", async (t) => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const long = randomBytes(3_000_000, 9);
  const { url } = await createServerFor(t, store);
  const { root } = await upload(long, { transport: new HttpTransport({ baseUrl: url }), profile });
  const handler = createFetchHandler({ store, stallTimeoutMs: 300 });
  const get = async () =>
    (await handler(new Request(`http://x/v1/files/${root}`))).body?.getReader();
  const [slow, stalled] = [await get(), await get()];
  let length = 0;
  for (;;) {
    const { done, value } = (await slow?.read()) ?? { done: true, value: undefined };
    if (done) break;
    length += value.length;
    await sleep(100);
  }
  assert.equal(length, long.length);
  await assert.rejects(async () => {
    await sleep(1000);
    for (;;) if ((await stalled?.read())?.done) return;
  }, /not read/);
});

test("a reader that leaves is no failure, whichever server it leaves", async (t) => {
  const { url, store } = await serving(t);
  const long = randomBytes(3_000_000, 10);
  const { root } = await upload(long, { transport: new HttpTransport({ baseUrl: url }), profile });
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const target = `/v1/files/${root}`;

  const byFetch = createFetchHandler({ store, onError });
  for (let pieces = 0; pieces < 3; pieces += 1) {
    const { body } = await byFetch(new Request(`http://x${target}`));
    const reader = body?.getReader();
    for (let piece = 0; piece < pieces; piece += 1) await reader?.read();
    const reading = reader?.read();
    await reader?.cancel();
    await reading;
  }

  // It is gone when the head is written: no event says so again. What waits for it would wait for 30 s.
  const byNode = createUploadHandler({ store, onError });
  let took = Number.POSITIVE_INFINITY;
  const left = await listening(t, async (request, response) => {
    const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
    response.writeHead = ((...head: unknown[]) => {
      writeHead(...head);
      response.destroy();
      response.emit("close");
      return response;
    }) as typeof response.writeHead;
    const began = performance.now();
    await byNode(request, response);
    took = performance.now() - began;
  });
  await assert.rejects(fetch(left + target));
  for (let waited = 0; took > 5_000 && waited < 5_000; waited += 50) await sleep(50);
  assert.ok(took < 5_000, `${took} ms`);
  assert.deepEqual(errors, []);
});

test("a hook that fails as it tells, or refuses by what cannot be sent, ends nothing", async (t) => {
  const verdicts: unknown[] = [
    new Refusal(403, "forbidden", "no", { "x-why": "a\r\nset-cookie: b" }),
    { name: "Refusal", status: 403, code: "forbidden" },
    Object.assign(new Refusal(403, "forbidden"), { message: 1 }),
  ];
  const told: unknown[] = [];
  const options: UploadHandlerOptions<unknown> = {
    store: await Store.open("memory://hooks-that-fail"),
    authorize: () => verdicts[told.length] as never,
    async onError(error) {
      told.push(error);
      throw new Error("no log");
    },
  };
  const url = await listening(t, createUploadHandler(options));
  const handler = createFetchHandler(options);
  for (const ask of [fetch, (address: string) => handler(new Request(address))]) {
    told.length = 0;
    for (const [index] of verdicts.entries()) {
      assert.equal((await ask(`${url}/v1`)).status, 500, String(index));
      await sleep(0);
      assert.equal(told.length, index + 1);
    }
  }
});

async function createServerFor(t: TestContext, store: Store) {
  const server = await createUploadServer({ store });
  t.after(() => server.close({ graceMs: 0 }));
  return server;
}

test("a body that somebody else has read is an error that says so, and is not sent again", async (t) => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const errors: unknown[] = [];
  const handler = createUploadHandler({ store, onError: (error) => errors.push(error) });
  let requests = 0;
  const url = await listening(t, async (request, response) => {
    requests += 1;
    for await (const _ of request); // as a body parser does
    await handler(request, response);
  });
  const transport = new HttpTransport({ baseUrl: url });
  await assert.rejects(upload(data, { transport, profile }), {
    name: "DedupError",
    code: "body_consumed",
    message: /mount the handler before body parsers/,
  });
  assert.ok(requests <= 4, `${requests} requests`);
  assert.match(String(errors[0]), /mount the handler before body parsers/);
  assert.equal((await fetch(`${url}/v1`)).status, 200, "what has no body works all the same");
});

test("authorize decides, after the preflight, and fails closed", async (t) => {
  const other = await Store.open("memory://tenant");
  const errors: unknown[] = [];
  const asks: UploadRequest[] = [];
  const verdicts: Record<string, () => unknown> = {
    fine: () => true,
    nothing: () => undefined,
    no: () => false,
    tenant: () => other,
    returned: () => new Refusal(402, "payment_required", "pay", { "x-price": "5" }),
    thrown: () => {
      throw new Refusal(401, "unauthorized", undefined, { "WWW-Authenticate": "Basic" });
    },
    later: () => Promise.reject(new Refusal(429, "slow_down", "later", { "retry-after": "1" })),
    broken: () => {
      throw new Error("no database");
    },
    strange: () => "yes",
    null: () => null,
    foreign: () => ({ name: "Refusal", status: 200, code: "fine" }),
  };
  const { url, transport } = await serving(t, {
    origins: ["https://a.example"],
    onError: (error) => errors.push(error),
    authorize: ({ headers }, ask) => {
      asks.push(ask);
      return verdicts[headers.cookie ?? "fine"]?.() as never;
    },
  });
  const status = (cookie: string, path = "/v1/usage") =>
    answerTo(url + path, { headers: { cookie } });
  assert.equal(await status("fine"), "200");
  assert.equal(await status("nothing"), "200");
  assert.equal(await status("no"), "403 forbidden");
  assert.equal(await status("returned"), "402 payment_required");
  assert.equal(await status("thrown"), "401 unauthorized");
  assert.equal(await status("later"), "429 slow_down");
  assert.deepEqual(errors, []);
  for (const wrong of ["broken", "strange", "null", "foreign"]) {
    assert.equal(await status(wrong), "500 internal_error", wrong);
  }
  assert.equal(errors.length, 4);
  const refused = await fetch(`${url}/v1`, { headers: { cookie: "thrown" } });
  assert.equal(refused.headers.get("www-authenticate"), "Basic");
  assert.equal((await refused.json()).message, "authorization is missing or wrong");

  const { root } = await upload(data, { transport, profile });
  assert.equal(await status("tenant", `/v1/manifests/${root}`), "404 root_not_found");
  const tenant = new HttpTransport({ baseUrl: url, headers: { cookie: "tenant" } });
  await upload(data, { transport: tenant, profile });
  assert.equal((await other.usage()).files, 1);
  const commit = asks.find(({ operation }) => operation === "commit");
  assert.deepEqual([commit?.root, commit?.writes], [root, true]);
  assert.ok((commit?.bodyLength ?? 0) > 1000);

  asks.length = 0;
  const preflight = await fetch(`${url}/v1/packs/sha256`, {
    method: "OPTIONS",
    headers: {
      origin: "https://a.example",
      cookie: "no",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://a.example");
  assert.equal(preflight.headers.get("access-control-allow-headers"), "authorization");
  assert.deepEqual(asks, []);
});

test("a quota is 507, which is not tried again", async (t) => {
  let left = 3_000;
  const errors: unknown[] = [];
  const { url, transport } = await serving(t, {
    quota: () => left,
    onError: (error) => errors.push(error),
  });
  assert.equal(await codeOf(upload(data, { transport, profile })), "insufficient_storage");
  assert.equal(await answerTo(`${url}/v1/packs/sha256`, packed()), "507 insufficient_storage");
  left = 1_000_000;
  await upload(data, { transport, profile });
  left = Number.NaN;
  assert.equal(await answerTo(`${url}/v1/packs/sha256`, packed()), "500 internal_error");
  assert.match(String(errors), /quota/);
});

test("onCommit hears of a file once it is stored, before the client, and again when it is repeated", async (t) => {
  const heard: [string, number, boolean][] = [];
  let failure: Error | undefined;
  let answered = false;
  const { store, transport } = await serving(t, {
    async onCommit(root, size, { isNew, request }) {
      assert.equal(request.method, "PUT");
      heard.push([root, size, isNew]);
      assert.ok((await collect(store.read(root))).equals(data));
      await sleep(50);
      assert.ok(!answered);
      if (failure !== undefined) throw failure;
    },
  });
  const { root } = await upload(data, { transport, profile });
  answered = true;
  assert.deepEqual(heard, [[root, data.length, true]]);
  answered = false;
  await upload(data, { transport, profile });
  assert.deepEqual(heard[1], [root, data.length, false]);
  failure = new Refusal(409, "name_taken", "there is one");
  assert.equal(await codeOf(upload(data, { transport, profile })), "name_taken");
  failure = new Error("no database");
  assert.equal(await codeOf(upload(data, { transport, profile, retry })), "internal_error");
});

test("pages of a named origin may send cookies, and no others", async (t) => {
  const options = { origins: ["https://a.example"], credentials: true };
  const { url } = await serving(t, options);
  for (const [origin, allowed] of [
    ["https://a.example", "https://a.example"],
    ["https://b.example", null],
  ] as const) {
    for (const method of ["GET", "OPTIONS"]) {
      const headers = { origin, "access-control-request-method": "GET" };
      const answer = await fetch(`${url}/v1/nothing`, { method, headers });
      assert.equal(answer.headers.get("access-control-allow-origin"), allowed);
      const credentials = answer.headers.get("access-control-allow-credentials");
      assert.equal(credentials, allowed && "true");
    }
  }
  const any: UploadHandlerOptions<IncomingMessage> = { store: "memory://c", origins: "*" };
  assert.throws(() => createUploadHandler({ ...any, credentials: true }), {
    name: "StoreError",
    code: "invalid_store_option",
  });
});

interface Raw {
  readonly socket: Socket;
  /** All that was answered, once the connection has ended. */
  readonly answer: Promise<string>;
}

function raw(url: string, head: string, body?: Uint8Array): Raw {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.setNoDelay();
  socket.on("error", () => {}); // the server may close before it has read everything
  socket.write(head.replaceAll("\n", "\r\n"));
  if (body !== undefined) socket.write(body);
  const answer = (async () => {
    let text = "";
    socket.setEncoding("latin1").on("data", (piece) => {
      text += piece;
    });
    await once(socket, "close");
    return text;
  })();
  return { socket, answer };
}

const headOf = (length: number, more = "") =>
  `POST /v1/packs/sha256 HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n${more}` +
  `Content-Type: application/octet-stream\nContent-Length: ${length}\n\n`;

test("a sender may be slow but not pause", async (t) => {
  const { url } = await serving(t, { stallTimeoutMs: 500 });
  const slow = raw(url, headOf(pack.length));
  const paused = raw(url, headOf(pack.length), pack.subarray(0, 100));
  const began = performance.now();
  for (let at = 0; at < pack.length; at += 700) {
    slow.socket.write(pack.subarray(at, at + 700));
    await sleep(200);
  }
  assert.match(await slow.answer, /^HTTP\/1.1 200 /);
  assert.ok(performance.now() - began > 1000, "longer than its patience");
  assert.match(await paused.answer, /^HTTP\/1.1 408 .*"request_timeout"/s);
});

test("the server's own slowness never counts", async (t) => {
  const { url } = await serving(t, {
    stallTimeoutMs: 200,
    authorize: async () => {
      await sleep(800);
    },
    onCommit: () => sleep(800),
  });
  const transport = new HttpTransport({ baseUrl: url });
  const { root } = await upload(data.slice(0, 3000), { transport, profile, retry });
  const begun = raw(url, headOf(pack.length), pack.subarray(0, 100));
  await sleep(900);
  const until = performance.now() + 1000;
  while (performance.now() < until); // the process stands still
  begun.socket.write(pack.subarray(100));
  assert.match(await begun.answer, /^HTTP\/1.1 200 /);
  assert.equal((await collect(download(root, { transport }))).length, 3000);
});

test("a reader may be slow but not pause", async (t) => {
  const { url, transport } = await serving(t, { stallTimeoutMs: 500 });
  const long = randomBytes(24_000_000, 5);
  const { root } = await upload(long, { transport, profile: "medium" });
  const get = `GET /v1/files/${root} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n`;
  const [slow, paused] = [raw(url, get), raw(url, get)];
  paused.socket.pause();
  const began = performance.now();
  const ticks = setInterval(() => {
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 150);
  }, 200);
  const whole = await slow.answer;
  clearInterval(ticks);
  assert.ok(whole.length > long.length);
  while (performance.now() - began < 2500) await sleep(100);
  paused.socket.resume();
  assert.ok((await paused.answer).length < long.length, "it is cut");
});

test("a client that goes away at any byte leaves nothing", async (t) => {
  const { url, store, path } = await serving(t);
  for (const end of [0, 1, 4, 8, 9, 47, 48, 49, 1000, pack.length - 1]) {
    const { socket } = raw(url, headOf(pack.length), pack.subarray(0, end));
    await sleep(10);
    if (end % 2 === 0) socket.destroy();
    else socket.end();
  }
  await holdsNothing(path);
  const large = packOf(
    Array.from({ length: 60 }, (_, seed) => ({
      hash: "sha256",
      bytes: randomBytes(100_000, seed),
    })),
  );
  for (let part = 1; part < 8; part += 1) {
    const { socket } = raw(url, headOf(large.length), large.subarray(0, (large.length * part) / 8));
    await sleep(20);
    socket.destroy();
  }
  await holdsNothing(path);
  assert.equal((await store.usage()).packs, 0);
  assert.equal(await answerTo(`${url}/v1/packs/sha256`, packed()), "200");
});

test("whoever sends a large body sees why it is refused", async (t) => {
  const { url } = await serving(t);
  const large = randomBytes(20_000_000, 1);
  assert.equal(await answerTo(`${url}/v1/packs/sha256`, packed(large)), "400 invalid_pack");
  const longer = randomBytes(40_000_000, 1);
  assert.equal(await answerTo(`${url}/v1/packs/sha256`, packed(longer)), "413 pack_too_large");
  const { socket } = raw(url, headOf(100).replace("Connection: close\n", ""), pack.slice(0, 100));
  const [first] = await once(socket, "data");
  assert.match(String(first), /^HTTP\/1.1 400 .*keep-alive/s);
  socket.write(headOf(pack.length).replaceAll("\n", "\r\n"));
  socket.write(pack);
  const [second] = await once(socket, "data");
  assert.match(String(second), /^HTTP\/1.1 200 /);
});

test("a body that will be refused is not asked for", async (t) => {
  const { url } = await serving(t);
  const expects = "Expect: 100-continue\n";
  const wrong = raw(url, headOf(pack.length, expects).replace("sha256", "md5"));
  assert.match(await wrong.answer, /^HTTP\/1.1 400 .*unknown_hash_algorithm/s);
  const right = raw(url, headOf(pack.length, expects));
  const [first] = await once(right.socket, "data");
  assert.match(String(first), /^HTTP\/1.1 100 Continue\r\n\r\n$/);
  right.socket.write(pack);
  assert.match(await right.answer, /HTTP\/1.1 200 /);
});

test("what is not HTTP is refused, and nobody else is hurt", async (t) => {
  const { url, store } = await serving(t);
  const length = `Content-Length: ${pack.length}\n`;
  for (const [head, status] of [
    ["nonsense\n\n", 400],
    ["GET /v1 HTTP/1.1\n\n", 400],
    [headOf(pack.length, length.replace(/\d+/, "5")), 400],
    [headOf(pack.length, "Transfer-Encoding: chunked\n"), 400],
    [headOf(pack.length, `X: ${"x".repeat(20_000)}\n`), 431],
    ["GET /v1\x01 HTTP/1.1\nHost: 127.0.0.1\n\n", 400],
  ] as const) {
    const { answer } = raw(url, head);
    assert.match(await answer, new RegExp(`^HTTP/1.1 ${status} `), head);
  }
  assert.equal((await store.usage()).packs, 0);
});

test("only names of this machine lead to a server that everybody may use", async (t) => {
  const { url } = await serving(t);
  const ask = (host: string) =>
    raw(url, `GET /v1 HTTP/1.1\nHost: ${host}\nConnection: close\n\n`).answer;
  for (const host of ["evil.example", "evil.example:80", "10.0.0.1", "localhost.evil.example"]) {
    assert.match(await ask(host), /^HTTP\/1.1 421 .*misdirected_request/s, host);
  }
  for (const host of ["localhost:1", "127.0.0.1", "[::1]:80", "a.localhost"]) {
    assert.match(await ask(host), /^HTTP\/1.1 200 /, host);
  }
  const open = createUploadServer({ store: "memory://d", host: "0.0.0.0" });
  assert.equal(await codeOf(open), "invalid_argument");
});

test("a server that is closed finishes what runs", async () => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const server = await createUploadServer({ store });
  const idle = raw(server.url, "GET /v1 HTTP/1.1\nHost: 127.0.0.1\n\n");
  await once(idle.socket, "data");
  const head = headOf(pack.length).replace("Connection: close\n", "");
  const running = raw(server.url, head, pack.subarray(0, 100));
  await sleep(100);
  const closing = server.close({ graceMs: Number.POSITIVE_INFINITY });
  await idle.answer;
  await assert.rejects(fetch(`${server.url}/v1`));
  running.socket.write(pack.subarray(100));
  assert.match(await running.answer, /^HTTP\/1.1 200 .*close/s);
  await closing;
  await using again = await createUploadServer({ store });
  const stuck = raw(again.url, head, pack.subarray(0, 100));
  await sleep(100);
  await again.close({ graceMs: 50 });
  assert.equal(await stuck.answer, "");
});

test("a store that cannot be opened is told of, and tried again", async (t) => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, "");
  assert.equal(await codeOf(createUploadServer({ store: path })), "storage_failed");
  const errors: unknown[] = [];
  const handler = createUploadHandler({ store: path, onError: (error) => errors.push(error) });
  const url = await listening(t, handler);
  assert.equal(await answerTo(`${url}/v1/usage`), "503 store_unavailable");
  assert.ok(errors.length >= 1);
  const { rm } = await import("node:fs/promises");
  await rm(path);
  assert.equal(await answerTo(`${url}/v1/usage`), "200");
});

test("damage is told to onError, and no more to the client than it can use", async (t) => {
  const errors: { code?: string }[] = [];
  const { url, path, transport } = await serving(t, {
    onError: (error) => errors.push(error as { code?: string }),
  });
  const bytes = data.slice(0, 5000);
  const { root } = await upload(bytes, {
    transport,
    profile: { minSize: 64, avgSize: 8192, maxSize: 8192 },
  });
  const [name = ""] = await readdir(join(path, "packs"));
  const stored = await readFile(join(path, "packs", name));
  const at = stored.indexOf(Buffer.from(bytes.subarray(0, 16)));
  stored[at] = (stored[at] ?? 0) ^ 1;
  await writeFile(join(path, "packs", name), stored);
  assert.equal(await answerTo(`${url}/v1/files/${root}`), "500 chunk_damaged");
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["chunk_digest_mismatch"],
  );
});

/** Listens with any options, and closes a server that it should not get. */
async function listen(options: unknown): Promise<void> {
  const create = createUploadServer as (options: unknown) => Promise<UploadServer>;
  await (await create(options)).close();
}

test("options that cannot work are refused at once", async () => {
  const create = createUploadHandler as (options: unknown) => unknown;
  const createFetch = createFetchHandler as (options: unknown) => unknown;
  for (const [options, code] of [
    [undefined, "invalid_argument"],
    [{}, "invalid_argument"],
    [{ store: 5 }, "invalid_argument"],
    [{ store: {} }, "invalid_argument"],
    [{ store: "memory://e", sotre: "x" }, "invalid_argument"],
    [{ store: "memory://e", authorize: true }, "invalid_argument"],
    [{ store: "memory://e", origins: "https://a.example" }, "invalid_argument"],
    [{ store: "memory://e", prefix: "store" }, "invalid_store_option"],
    [{ store: "memory://e", memory: 5 }, "invalid_store_option"],
    [{ store: "memory://e", memory: "5" }, "invalid_argument"],
    [{ store: "memory://e", limits: { packBytes: 1 } }, "invalid_store_option"],
    [{ store: "memory://e", limits: { packSize: 1 } }, "invalid_argument"],
    [{ store: "memory://e", stallTimeoutMs: 0 }, "invalid_argument"],
    [{ store: "memory://e", stallTimeoutMs: 2 ** 31 }, "invalid_argument"],
  ] as const) {
    assert.throws(() => create(options), { code }, JSON.stringify(options));
    assert.throws(() => createFetch(options), { code }, JSON.stringify(options));
    assert.equal(await codeOf(listen(options)), code, JSON.stringify(options));
  }
});

test("a server listens on a port, and on no file or pipe", async () => {
  for (const [options, message] of [
    [{ port: "abc" }, /^port is a string \(expected an integer from 0 to 65535\)$/],
    [{ port: "8080" }, /^port is/],
    [{ port: null }, /^port is/],
    [{ port: -1 }, /^port is -1/],
    [{ port: 65_536 }, /^port is 65536/],
    [{ port: 80.5 }, /^port is 80.5/],
    [{ host: 5 }, /^host is a number \(expected a string\)$/],
    [{ hostname: "127.0.0.1" }, /^unknown option "hostname" \(expected port, host, store, /],
  ] as const) {
    const error = { code: "invalid_argument", message };
    await assert.rejects(listen({ store: "memory://f", ...options }), error);
  }
});

test("limits are those that clients are told", async (t) => {
  const { transport, url } = await serving(t, {
    limits: { packBytes: 4 * 1024 * 1024, packChunks: 100, missingDigests: 50, readDigests: 60 },
  });
  const { limits } = await (await fetch(`${url}/v1`)).json();
  assert.deepEqual([limits.packChunks, limits.missingDigests, limits.readDigests], [100, 50, 60]);
  const { root } = await upload(randomBytes(3_000_000, 4), { transport, profile });
  assert.equal((await collect(download(root, { transport }))).length, 3_000_000);
});

test("without an addon there is an error that names the platforms", async () => {
  const program = `
    import { createUploadHandler, createUploadServer, Store } from "chunker-cdc/dedup/server";
    for (const use of [
      () => createUploadHandler({ store: "x" }),
      () => createUploadServer({ store: "x" }),
      () => Store.open("memory://x"),
    ]) {
      try { await use() } catch (error) { console.log(error.name, error.code, error.message) }
    }`;
  const env = { ...process.env, CHUNKER_BACKEND: "wasm" };
  const flags = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: NPM, env });
  const lines = stdout.trim().split("\n");
  assert.equal(lines.length, 3);
  for (const line of lines) {
    assert.match(line, /^ChunkerError native_unavailable .*CHUNKER_BACKEND is wasm .*darwin-arm64/);
  }
  const scripts = await readFile(join(NPM, "scripts/addons.mjs"), "utf8");
  for (const [, platform] of scripts.matchAll(/^ {2}"([a-z0-9-]+)": \{/gm)) {
    assert.ok(lines[0]?.includes(platform ?? "?"), platform);
  }
});

test("the CommonJS files and the ES modules take each other's stores", async (t) => {
  const { createRequire } = await import("node:module");
  const required = createRequire(join(NPM, "package.json"))("chunker-cdc/dedup/server");
  const store = await required.Store.open(await temporaryDirectory(), { cache: false });
  assert.ok(!(store instanceof Store));
  const { url } = await createServerFor(t, store);
  await roundTrip(url);
  const manifest = Manifest.create(profile, []);
  assert.equal(
    await answerTo(`${url}/v1/files/sha256-${manifest.rootDigestHex}`),
    "404 root_not_found",
  );
  assert.equal(digestHex("sha256", manifest.toBytes()), manifest.rootDigestHex);
});
