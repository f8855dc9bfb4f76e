// The client over HTTP, against a server that does what a test wants.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { Manifest } from "chunker-cdc";
import {
  type DedupError,
  deleteFile,
  download,
  HttpTransport,
  type HttpTransportOptions,
  listFiles,
  type UploadProgress,
  upload,
  usage,
} from "chunker-cdc/dedup";
import { MemoryServer } from "./memory-server.js";
import {
  codeOf,
  collect,
  QUICK,
  randomBytes,
  SMALL,
  temporaryDirectory,
  WRONG_RETRIES,
} from "./support.js";

const data = randomBytes(300_001, 1);
/** So long that questions are asked before its end. */
const long = randomBytes(9_000_001, 2);
const profile = SMALL;

/** A TCP server that treats every connection as `onConnection` does. */
async function listen(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A way to `port` that lets `bytesPerSecond` pass, of all connections together, upwards. */
function slowLink(t: TestContext, port: number, bytesPerSecond: number): Promise<string> {
  const tick = 20;
  let tokens = 0;
  const timer = setInterval(() => {
    tokens = Math.min(tokens + (bytesPerSecond * tick) / 1000, bytesPerSecond / 5);
  }, tick);
  t.after(() => clearInterval(timer));
  return listen(t, (client) => {
    const server = connect(port, "127.0.0.1");
    server.on("error", () => client.destroy());
    server.pipe(client);
    client.on("close", () => server.destroy());
    void (async () => {
      for await (const piece of client) {
        for (let at = 0; at < piece.length && !client.destroyed; ) {
          const length = Math.min(Math.floor(tokens), piece.length - at);
          tokens -= length;
          if (length > 0) server.write(piece.subarray(at, at + length));
          at += length;
          if (at < piece.length) await sleep(tick);
        }
      }
      server.end();
    })().catch(() => server.destroy());
  });
}

test("what is uploaded over HTTP is what is downloaded, listed, counted and deleted", async (t) => {
  const server = await MemoryServer.listen(t);
  for (const fetch of [undefined, globalThis.fetch]) {
    for (const tellsLimits of [true, false]) {
      server.tellsLimits = tellsLimits;
      server.store.chunks.clear();
      const transport = new HttpTransport({ baseUrl: `${server.baseUrl}/`, fetch });
      const { root, bytesSent } = await upload(new Blob([data]), { transport, profile });
      assert.equal(bytesSent, data.length);
      assert.deepEqual(await collect(download(root, { transport })), Buffer.from(data));
      const { files, chunks } = await usage({ transport });
      assert.deepEqual([files, chunks], [1, server.store.chunks.size]);
      const listed = [];
      for await (const file of listFiles({ transport })) listed.push(file);
      assert.deepEqual(
        listed.map(({ root, length }) => [root, length]),
        [[root, data.length]],
      );
      assert.equal(await deleteFile(root, { transport }), true);
      assert.equal(await deleteFile(root, { transport }), false);
      assert.equal(await codeOf(collect(download(root, { transport }))), "root_not_found");
    }
  }
});

test("a file's address has its name and type", () => {
  const transport = new HttpTransport({ baseUrl: "https://files.example/store/" });
  const root = `sha256-${"0".repeat(64)}`;
  assert.equal(transport.fileUrl(root), `https://files.example/store/v1/files/${root}`);
  assert.equal(
    transport.fileUrl(root, { name: "ä b.mp4", type: "video/mp4" }),
    `https://files.example/store/v1/files/${root}?name=%C3%A4+b.mp4&type=video%2Fmp4`,
  );
  for (const wrong of ["foo", "", `sha256-${"0".repeat(63)}`, undefined]) {
    assert.throws(() => transport.fileUrl(wrong as string), { code: "invalid_argument" });
  }
});

test("connections are kept, and headers are those of each request", async (t) => {
  const server = await MemoryServer.listen(t);
  const sockets = new Set<unknown>();
  server.fault = (_, request) => sockets.add(request.socket);
  let asked = 0;
  const headers = async () => {
    asked += 1;
    return { authorization: `Bearer ${asked}` };
  };
  const transport = new HttpTransport({ baseUrl: server.baseUrl, headers });
  for (let n = 0; n < 5; n += 1) {
    await upload(randomBytes(1_000_000, n), { transport, profile });
  }
  assert.equal(asked, server.seen.length);
  assert.equal(new Set(server.seen.map(({ headers }) => headers.authorization)).size, asked);
  assert.ok(sockets.size <= 4, `${sockets.size} connections`);
});

test("headers arrive as `Headers` has them, whatever their form", async (t) => {
  const server = await MemoryServer.listen(t);
  const signal = new AbortController().signal;
  const cases: NonNullable<RequestInit["headers"]>[] = [
    { authorization: "Bearer abc", "x-two-words": "two words" },
    { Authorization: "Bearer ABC" },
    { "X-Twice": "first", "x-twice": "second" },
    { "x-spaces": "  inside  it ", "x-empty": "", "x-latin": "h\u00e4user" },
    { "x.dots_and~more": "1" },
    { "x-number": 7 as unknown as string },
    {
      *[Symbol.iterator]() {
        yield ["x-entry", "1"];
      },
    } as unknown as [string, string][],
    [
      ["x-pair", "1"],
      ["x-pair", "2"],
    ],
    new Headers({ "x-made": "yes" }),
  ];
  for (const headers of cases) {
    await new HttpTransport({ baseUrl: server.baseUrl, headers }).limits({ signal });
    const arrived = server.seen.at(-1)?.headers ?? {};
    for (const [name, value] of new Headers(headers)) assert.equal(arrived[name], value, name);
  }
});

test("plain headers do not make Node load its fetch", async (t) => {
  const server = await MemoryServer.listen(t);
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "--eval",
    `import { HttpTransport, upload } from "chunker-cdc/dedup";
    const headers = { authorization: "Bearer abc" };
    const transport = new HttpTransport({ baseUrl: ${JSON.stringify(server.baseUrl)}, headers });
    await upload(new Uint8Array(100_000), { transport });
    const loaded = () => process.moduleLoadList.some((name) => name.includes("undici"));
    console.log(loaded(), new Headers() && loaded());`,
  ]);
  assert.equal(stdout, "false true\n");
});

test("requests one after another share a connection, whatever they carry", async (t) => {
  const server = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  const { root } = await upload(data, { transport, profile });
  for (let times = 0; times < 3; times += 1) {
    assert.equal((await upload(data, { transport, profile })).newChunks, 0);
    assert.deepEqual(await collect(download(root, { transport })), Buffer.from(data));
    const range = { start: 100, end: 200_000 };
    assert.equal((await collect(download(root, { transport, range }))).length, 199_900);
    const reuse = data.subarray(0, 150_000);
    assert.deepEqual(await collect(download(root, { transport, reuse })), Buffer.from(data));
  }
  // A download with reuse asks for the limits and the manifest at the same time.
  assert.equal(server.connections, 2);
  assert.equal(server.requests("GET chunks"), 6);
  assert.equal(server.requests("PUT manifests"), 2 + 3);
  assert.equal(server.requests("POST missing"), 0);
});

test("a kept connection that the server closes is not a failure", async (t) => {
  const server = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  let closed = false;
  for (let n = 0; n < 20; n += 1) {
    server.fault = (_, request) => {
      // What follows on this connection meets its end.
      if (n % 2 === 0) request.socket.once("data", () => request.socket.resetAndDestroy());
      closed = true;
    };
    const { retries } = await upload(data.subarray(0, 5000 + n), {
      transport,
      profile,
      retry: QUICK,
    });
    assert.equal(retries, 0);
  }
  assert.ok(closed);
});

interface Case {
  readonly name: string;
  readonly code: string;
  readonly retries: number;
  readonly options: HttpTransportOptions;
}

test("what may succeed later is tried again, whatever the error's class; the rest is not (law 6)", async (t) => {
  const reset = await listen(t, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const short = await listen(t, (socket) =>
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")),
  );
  const garbage = await listen(t, (socket) =>
    socket.once("data", () => socket.end("SSH-2.0-x\r\n")),
  );
  const refusing = await listen(t, () => {});
  // The port of a closed server may soon belong to another one.
  const refused = "http://127.0.0.1:2";
  const foreign = runInNewContext("() => Promise.reject(new TypeError('Failed to fetch'))");
  /** A client of another make: its errors and answers are its own. */
  const other = (async (url: string, { method, body, headers, signal }: RequestInit) =>
    new Promise((resolve, reject) => {
      const request = httpRequest(url, {
        method: method as string,
        headers: Object.fromEntries(headers as Headers),
        signal: signal as AbortSignal,
      });
      request.on("error", (error) =>
        reject(Object.assign(new Error("FetchError"), { cause: error })),
      );
      request.on("response", (response) => {
        const status = response.statusCode;
        resolve({ status, headers: new Headers(), body: response, type: "default" });
      });
      request.end(body);
    })) as unknown as typeof fetch;
  const answering = async (status: number, headers = {}) => {
    const server = createServer((_, response) => response.writeHead(status, headers).end("{}"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  const network = { code: "network_error", retries: 3 };
  const cases: Case[] = [
    { name: "refused", ...network, options: { baseUrl: refused } },
    { name: "reset", ...network, options: { baseUrl: reset } },
    { name: "cut short", ...network, options: { baseUrl: short } },
    { name: "refused, fetch", ...network, options: { baseUrl: refused, fetch } },
    { name: "reset, fetch", ...network, options: { baseUrl: reset, fetch } },
    { name: "cut short, fetch", ...network, options: { baseUrl: short, fetch } },
    { name: "refused, another fetch", ...network, options: { baseUrl: refused, fetch: other } },
    { name: "reset, another fetch", ...network, options: { baseUrl: reset, fetch: other } },
    { name: "another realm", ...network, options: { baseUrl: refusing, fetch: foreign } },
    { name: "no HTTP", code: "network_error", retries: 0, options: { baseUrl: garbage } },
    {
      name: "a protocol that is not spoken there",
      code: "network_error",
      retries: 0,
      options: { baseUrl: garbage.replace("http:", "https:") },
    },
    {
      name: "redirect",
      code: "redirected",
      retries: 0,
      options: await answering(308, { location: "https://elsewhere.example/" }),
    },
    {
      name: "redirect, fetch",
      code: "redirected",
      retries: 0,
      options: { ...(await answering(301, { location: "/there" })), fetch },
    },
  ];
  for (const status of [400, 401, 403, 404, 405, 409, 410, 415, 422, 501, 507]) {
    const options = await answering(status);
    cases.push({ name: String(status), code: "protocol_error", retries: 0, options });
  }
  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    const options = await answering(status);
    cases.push({ name: String(status), code: "protocol_error", retries: 3, options });
  }
  for (const { name, code, retries, options } of cases) {
    let retried = 0;
    const retry = { ...QUICK, attempts: 4, onRetry: () => (retried += 1) };
    const transport = new HttpTransport(options);
    assert.equal(await codeOf(upload(data, { transport, profile, retry })), code, name);
    assert.equal(retried, retries, name);
  }
});

test("an address or a header that cannot be used is refused at once (law 6)", async () => {
  const cases: HttpTransportOptions[] = [
    { baseUrl: "" },
    { baseUrl: "files.example" },
    { baseUrl: "ftp://files.example" },
    { baseUrl: "http://user:secret@files.example" },
    { baseUrl: "http://files.example/?a=b" },
    { baseUrl: "http://127.0.0.1:6000", fetch },
    { baseUrl: "http://files.example", headers: { authorization: "Bearer abc\ndef" } },
    { baseUrl: "http://files.example", headers: { "to\u212aen": "lower-cased, an ASCII name" } },
    { baseUrl: "http://files.example", credentials: "always" as "include" },
    { baseUrl: "http://files.example", stallTimeoutMs: 0 },
    { baseUrl: "http://files.example", timeoutMs: 5 } as HttpTransportOptions,
  ];
  for (const options of cases) {
    assert.throws(
      () => new HttpTransport(options),
      { code: "invalid_argument" },
      JSON.stringify(options),
    );
  }
  const late = new HttpTransport({
    baseUrl: "http://127.0.0.1:9",
    headers: () => ({ authorization: "a\nb" }),
  });
  assert.equal(await codeOf(upload(data, { transport: late, profile })), "invalid_argument");
});

test("wrong options of a list, a deletion and the usage are refused", async () => {
  const transport = new HttpTransport({ baseUrl: "http://127.0.0.1:9" });
  const root = `sha256-${"0".repeat(64)}`;
  const wrong = [
    undefined,
    null,
    {},
    { transport, signal: 5 },
    ...WRONG_RETRIES.map((retry) => ({ transport, retry })),
  ] as never[];
  for (const options of wrong) {
    for (const call of [listFiles(options).next(), deleteFile(root, options), usage(options)]) {
      assert.equal(await codeOf(call), "invalid_argument", JSON.stringify(options));
    }
  }
});

test("Retry-After is kept", async (t) => {
  const server = await MemoryServer.listen(t);
  server.fault = ({ count }, request, response) => {
    if (count > 0) return;
    request.resume();
    response.writeHead(503, { "retry-after": "1" });
    response.end('{"code":"server_busy","message":"busy"}');
  };
  const delays: number[] = [];
  const retry = { ...QUICK, onRetry: ({ delayMs }: { delayMs: number }) => delays.push(delayMs) };
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  await upload(data.subarray(0, 1000), { transport, profile, retry });
  assert.deepEqual(delays, [1000, 1000]);
});

test("a link of any speed is no failure, only one that stands still (law 3)", async (t) => {
  const server = await MemoryServer.listen(t);
  // Chunks of the largest size, 4 MiB by the default profile, scaled down with the link by 32: each pack takes
  // many times the limit.
  const slow = await slowLink(t, server.port, 150_000);
  const large = { minSize: 65_536, avgSize: 131_072, maxSize: 131_072 };
  const transport = new HttpTransport({ baseUrl: slow, stallTimeoutMs: 1000 });
  const source = randomBytes(1_000_000, 9);
  const { root, retries } = await upload(source, { transport, profile: large });
  assert.equal(retries, 0);
  assert.deepEqual(server.store.file(root), Buffer.from(source));

  const hanging = await listen(t, () => {});
  const began = performance.now();
  const still = new HttpTransport({ baseUrl: hanging, stallTimeoutMs: 200 });
  const retry = { ...QUICK, attempts: 2 };
  assert.equal(await codeOf(upload(data, { transport: still, profile, retry })), "request_timeout");
  const ms = performance.now() - began;
  assert.ok(ms >= 390 && ms < 2000, `${ms} ms`);
});

test("a download's limit does not run while the consumer takes its time (law 3)", async (t) => {
  const server = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl: server.baseUrl, stallTimeoutMs: 150 });
  const source = randomBytes(6_000_000, 10);
  const { root } = await upload(source, { transport });
  const all: Uint8Array[] = [];
  for await (const bytes of download(root, { transport })) {
    if (all.push(bytes) % 2 === 0) await sleep(400);
  }
  assert.ok(all.length >= 8, `it paused after ${all.length} pieces`);
  assert.deepEqual(Buffer.concat(all), Buffer.from(source));
  // A server that stops in the middle of an answer is another thing.
  server.fault = ({ path }, _, response) => {
    if (!path.includes("/chunks")) return;
    response.writeHead(200, { "content-length": 1_000_000 });
    response.write("CDL1");
    return new Promise(() => {});
  };
  const reading = collect(download(root, { transport, retry: { ...QUICK, attempts: 2 } }));
  assert.equal(await codeOf(reading), "request_timeout");
});

test("a file is transferred over TLS as it is without", async (t) => {
  const server = await MemoryServer.listen(t);
  const folder = await temporaryDirectory();
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const options = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"];
  execFileSync("openssl", ["req", "-x509", ...options, "-keyout", key, "-out", cert], {
    stdio: "pipe",
  });
  const proxy = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (secure) => {
    const plain = connect(server.port, "127.0.0.1");
    secure.pipe(plain).pipe(secure);
    secure.on("error", () => {}).on("close", () => plain.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() => proxy.close());
  const baseUrl = `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const transport = new HttpTransport({ baseUrl });
  const source = randomBytes(5_000_000, 12);
  const retry = { attempts: 1 };
  assert.equal(await codeOf(upload(source, { transport, retry })), "network_error");
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  t.after(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });
  const { root } = await upload(source, { transport });
  assert.deepEqual(await collect(download(root, { transport })), Buffer.from(source));
  assert.ok(server.connections <= 6, `${server.connections} connections`);
});

test("a file is committed while the answers to its packs are on their way", {
  timeout: 20_000,
}, async (t) => {
  for (const failures of [0, 1]) {
    const server = await MemoryServer.listen(t);
    let commit = () => {};
    const committing = new Promise<void>((resolve) => {
      commit = resolve;
    });
    let failed = 0;
    server.fault = async ({ path, count }, _, response) => {
      if (path.endsWith("?expect=sent")) commit();
      if (!path.startsWith("/v1/packs/")) return;
      // Without that commit, there is no answer.
      await committing;
      if (count > 0 || failed === failures) return;
      failed += 1;
      response.writeHead(503).end();
    };
    const transport = new HttpTransport({ baseUrl: server.baseUrl });
    const { root, bytesSent } = await upload(data, { transport, profile, retry: QUICK });
    assert.equal(bytesSent, data.length);
    assert.deepEqual(server.store.file(root), Buffer.from(data));
    // Known, sent, and if that was too early, at the end.
    assert.equal(server.requests("PUT manifests"), 2 + failures);
  }
});

test("a proxy's limit for bodies is met, or explained where a chunk alone is above it (law 11)", async (t) => {
  const server = await MemoryServer.listen(t);
  const limit = 1024 * 1024;
  server.fault = ({ headers }, request, response) => {
    if (Number(headers["content-length"] ?? 0) <= limit) return;
    // As nginx does: the answer at once, then what is left of the body is read and dropped.
    response.writeHead(413, { "content-type": "text/html", connection: "close" });
    response.end("<html><center>413 Request Entity Too Large</center></html>");
    request.resume();
  };
  const source = randomBytes(9_000_000, 11);
  for (const fetch of [undefined, globalThis.fetch]) {
    server.store.chunks.clear();
    const transport = new HttpTransport({ baseUrl: server.baseUrl, fetch });
    const { root } = await upload(source, { transport, profile: "medium", retry: QUICK });
    assert.deepEqual(server.store.file(root), Buffer.from(source));
    assert.ok(server.store.packs.every((bytes) => bytes <= limit));
    const failure: DedupError = await upload(source, { transport, retry: QUICK }).then(
      () => assert.fail("a chunk above the limit arrived"),
      (error) => error,
    );
    assert.equal(failure.code, "body_too_large");
    assert.match(failure.message, /proxy.*client_max_body_size.*profile/s);
  }
});

test("a proxy that cuts the connection instead of answering is met as well", async (t) => {
  const server = await MemoryServer.listen(t);
  server.fault = ({ headers }, request) => {
    if (Number(headers["content-length"] ?? 0) > 1024 * 1024) request.socket.resetAndDestroy();
  };
  const source = randomBytes(9_000_000, 12);
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  const { root } = await upload(source, { transport, profile: "medium", retry: QUICK });
  assert.deepEqual(server.store.file(root), Buffer.from(source));
});

test("a server that goes away at any moment, and comes back, changes nothing", async (t) => {
  const source = randomBytes(8_000_000, 13);
  let server = await MemoryServer.listen(t);
  // So slow that it goes away before the upload ends.
  const fault = () => sleep(20);
  server.fault = fault;
  const { port, store } = server;
  store.limits = { ...store.limits, packBytes: 300_000 };
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  let deaths = 0;
  const restart = async (limit: typeof store.limits) => {
    deaths += 1;
    server.close();
    await sleep(30);
    const { chunks, manifests } = server.store;
    server = await MemoryServer.listen(t, port);
    server.fault = fault;
    server.store.limits = limit;
    for (const [name, bytes] of chunks) server.store.chunks.set(name, bytes);
    for (const [name, bytes] of manifests) server.store.manifests.set(name, bytes);
  };
  let restarting: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (deaths < 8) restarting = restart(store.limits);
  }, 150);
  t.after(() => clearInterval(timer));
  const retry = { baseDelayMs: 20, maxDelayMs: 60, attempts: 20 };
  const { root } = await upload(source, { transport, profile, retry, concurrency: 2 });
  const read = await collect(download(root, { transport, retry }));
  clearInterval(timer);
  await restarting;
  assert.ok(deaths > 0);
  assert.deepEqual(read, Buffer.from(source));
});

test("an abort ends the requests on their way (law 2)", async (t) => {
  const server = await MemoryServer.listen(t);
  for (const fetch of [undefined, globalThis.fetch]) {
    for (const kind of ["/missing", "/packs/", "/manifests/"]) {
      const controller = new AbortController();
      const ended: Promise<unknown>[] = [];
      server.fault = ({ path }, request) => {
        if (!path.includes(kind)) return;
        request.resume();
        ended.push(once(request.socket, "close"));
        setTimeout(() => controller.abort(), 10);
        return new Promise(() => {});
      };
      server.store.chunks.clear();
      const transport = new HttpTransport({ baseUrl: server.baseUrl, fetch });
      const { signal } = controller;
      const source = kind === "/missing" ? long : data;
      assert.equal(await codeOf(upload(source, { transport, profile, signal })), "aborted", kind);
      await Promise.all(ended);
    }
  }
});

test("answers that are not of the protocol are errors, and are not believed", async (t) => {
  const server = await MemoryServer.listen(t);
  const transport = new HttpTransport({ baseUrl: server.baseUrl });
  const { root } = await upload(data, { transport, profile });
  const answers: [RegExp, string | Uint8Array, string][] = [
    [/missing$/, "<html>log in</html>", "protocol_error"],
    [/missing$/, "", "protocol_error"],
  ];
  for (const [path, body, code] of answers) {
    server.fault = (seen, request, response) => {
      if (!path.test(seen.path)) return;
      request.resume();
      response.writeHead(200, { "content-length": Buffer.from(body).length }).end(body);
    };
    assert.equal(await codeOf(upload(long, { transport, profile })), code);
  }
  using other = Manifest.create(profile, []);
  const empty = Buffer.concat([Buffer.from("CDL1"), Buffer.alloc(4), other.toBytes()]);
  empty.writeUInt32LE(other.toBytes().length, 4);
  const huge = Buffer.from("CDL1\xff\xff\xff\xff", "latin1");
  const downloads: [RegExp, string | Uint8Array, string][] = [
    [/chunks$/, "<html>log in</html>", "protocol_error"],
    [/chunks$/, Buffer.from("CDL1\0\0\0\0<html>log in</html>"), "invalid_manifest"],
    [/chunks$/, empty, "digest_mismatch"],
    [/chunks$/, huge, "manifest_too_large"],
    [/v1$/, "[]", "protocol_error"],
    [/manifests/, "<html>log in</html>", "invalid_manifest"],
    [/manifests/, other.toBytes(), "digest_mismatch"],
    [/read$/, "<html>log in</html>".repeat(1000), "protocol_error"],
  ];
  for (const [path, body, code] of downloads) {
    server.fault = (seen, request, response) => {
      if (!path.test(seen.path)) return;
      request.resume();
      response.writeHead(200, { "content-length": Buffer.from(body).length }).end(body);
    };
    const reuse = path.source === "chunks$" ? undefined : data.subarray(0, 150_000);
    const reading = collect(download(root, { transport, reuse }));
    assert.equal(await codeOf(reading), code, String(path));
  }
});

test("progress within a pack is told while it is sent", async (t) => {
  const server = await MemoryServer.listen(t);
  const slow = await slowLink(t, server.port, 6_000_000);
  const transport = new HttpTransport({ baseUrl: slow });
  const progress: UploadProgress[] = [];
  const source = randomBytes(8_000_000, 14);
  await upload(source, { transport, onProgress: (now) => progress.push(now) });
  const within = new Set(progress.map(({ bytesInTransit }) => bytesInTransit));
  assert.ok(within.size > 6, `${within.size} values`);
  assert.equal(progress.at(-1)?.bytesInTransit, 0);
});
