// The client in Chromium: in a page, a worker and a service worker, against a server in this process.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createUploadServer, Store } from "chunker-cdc/dedup/server";
import type { Browser, Page } from "playwright-core";
import { launch } from "../chromium.js";
import { MemoryServer, type Seen } from "./memory-server.js";
import { collect, temporaryDirectory } from "./support.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const TYPES: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm" };
const LENGTH = 9_000_001;
let browser: Browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** What a script needs, in whichever global scope it runs. */
const SCRIPT = `
const at = (path) => import(path);
const { HttpTransport, upload, download, Upload } = await at("/dist/dedup/index.browser.js");
const bytes = new Uint8Array(${LENGTH});
for (let n = 0, x = 1; n < bytes.length; n++) bytes[n] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 16;
const transport = new HttpTransport({ baseUrl: location.origin });
const profile = "medium";
`;

const WORKER = `${SCRIPT}
const progress = new Set();
const onProgress = ({ bytesInTransit }) => progress.add(bytesInTransit);
const { root, bytesSent } = await upload(new File([bytes], "a"), { transport, profile, onProgress });
postMessage({ root, bytesSent, within: progress.size });`;

const SERVICE_WORKER = `
import { HttpTransport, upload } from "/dist/dedup/index.browser.js";
self.onmessage = async ({ data, source }) => {
  try {
    const transport = new HttpTransport({ baseUrl: location.origin });
    const { root } = await upload(data, { transport, profile: "medium" });
    source.postMessage(root);
  } catch (error) { source.postMessage(String(error)); }
};`;

/** Serves the package's files beside the protocol. */
async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const pages: Record<string, [string, string]> = {
    "/": [
      "text/html",
      '<!doctype html><link rel="icon" href="data:,"><iframe srcdoc="x"></iframe>',
    ],
    "/worker.js": ["text/javascript", WORKER],
    "/service-worker.js": ["text/javascript", SERVICE_WORKER],
  };
  const page = pages[path];
  const type = page?.[0] ?? TYPES[extname(path)] ?? "application/octet-stream";
  const body = page?.[1] ?? (await readFile(join(PACKAGE, normalize(path))).catch(() => undefined));
  response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
}

type Fault = (seen: Seen, request: IncomingMessage, response: ServerResponse) => unknown;

/** A page beside a server. */
async function openPage(t: TestContext, fault: Fault = () => {}) {
  const server = await MemoryServer.listen(t);
  server.fault = async (seen, request, response) => {
    if (!seen.path.startsWith("/v1")) await sendFile(seen.path, response);
    else await fault(seen, request, response);
  };
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  await page.goto(`http://localhost:${server.port}/`);
  return { page, server, problems };
}

/** Runs the body of a module in the page; what it assigns to \`result\` is returned. */
function run<T>(page: Page, body: string): Promise<T> {
  const code = `${SCRIPT}\nlet result;\n${body}\nexport { result };`;
  return page.evaluate(async (code) => {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    // Modules of Blobs have no origin to resolve paths against.
    const own = await (await fetch(url)).text();
    const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
    return new AsyncFunction(`${own.replace("export { result };", "return result;")}`)();
  }, code) as Promise<T>;
}

test("a page sends slices of a file, tells progress within packs, and downloads what it sent", async (t) => {
  const { page, server, problems } = await openPage(t, async ({ path, count }) => {
    if (path.startsWith("/v1/packs") && count < 2) await sleep(200);
  });
  const result = await run<Record<string, unknown>>(
    page,
    `const file = new File([bytes], "a.bin");
    const within = new Set();
    const onProgress = ({ bytesInTransit }) => within.add(bytesInTransit);
    const { root, bytesSent, retries } = await upload(file, { transport, profile, onProgress });
    const again = await upload(file, { transport, profile });
    const parts = [];
    for await (const part of download(root, { transport })) parts.push(part);
    const back = new Uint8Array(await new Blob(parts).arrayBuffer());
    result = { root, bytesSent, retries, known: again.bytesSent, within: within.size,
      same: back.length === bytes.length && back.every((byte, n) => byte === bytes[n]) };`,
  );
  const { root, within, ...rest } = result;
  assert.deepEqual(rest, { bytesSent: LENGTH, retries: 0, known: 0, same: true });
  assert.ok(Number(within) > 2, `${within} values`);
  assert.equal(server.store.file(String(root)).length, LENGTH);
  assert.deepEqual(problems, []);
});

test("a page may download before it has loaded the module, all or with a local copy", async (t) => {
  const { page, problems } = await openPage(t);
  const root = await run<string>(
    page,
    "({ root: result } = await upload(bytes, { transport, profile }));",
  );
  for (const options of ["", "reuse: bytes.slice(0, 5_000_000),", "range: { start: 1 },"]) {
    await page.reload();
    const length = await run<number>(
      page,
      `result = 0;
      for await (const part of download("${root}", { transport, ${options} })) result += part.length;`,
    );
    assert.equal(length, options.startsWith("range") ? LENGTH - 1 : LENGTH, options);
  }
  assert.deepEqual(problems, []);
});

test("a worker and a service worker, which has no XMLHttpRequest, upload the same", async (t) => {
  const { page, server } = await openPage(t);
  const inWorker = await run<{ root: string; bytesSent: number; within: number }>(
    page,
    `const worker = new Worker("/worker.js", { type: "module" });
    result = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });`,
  );
  assert.equal(inWorker.bytesSent, LENGTH);
  assert.ok(inWorker.within > 1);
  server.store.chunks.clear();
  const inService = await run<string>(
    page,
    `await navigator.serviceWorker.register("/service-worker.js", { type: "module" });
    const { active } = await navigator.serviceWorker.ready;
    result = await new Promise((resolve) => {
      navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
      active.postMessage(new File([bytes], "a"));
    });`,
  );
  assert.equal(inService, inWorker.root);
  assert.equal(server.store.file(inService).length, LENGTH);
});

test("a download goes to a file of the page, each repeated chunk once (law 10)", async (t) => {
  const { page, server } = await openPage(t);
  const result = await run<Record<string, unknown>>(
    page,
    `const file = new File([bytes, bytes, new Uint8Array(3_000_000)], "a");
    const { root } = await upload(file, { transport, profile });
    const directory = await navigator.storage.getDirectory();
    const handle = await directory.getFileHandle("copy", { create: true });
    const progress = await download(root, { transport }).writeTo(await handle.createWritable());
    const copy = await handle.getFile();
    const [a, b] = await Promise.all([file, copy].map(async (f) =>
      new Uint8Array(await crypto.subtle.digest("SHA-256", await f.arrayBuffer())).join()));
    const edited = new File([bytes.subarray(0, 4_000_000), "edited", bytes.subarray(4_000_000)], "b");
    const second = await upload(edited, { transport, profile });
    const reading = download(second.root, { transport, reuse: copy });
    let length = 0;
    for await (const part of reading) length += part.length;
    result = { same: a === b, wire: progress.bytesOnWire, length, edit: reading.progress.bytesOnWire };`,
  );
  assert.equal(result.same, true);
  assert.ok(Number(result.wire) < LENGTH + 1_000_000, `${result.wire} bytes on the wire`);
  assert.equal(result.length, LENGTH + 6);
  assert.ok(Number(result.edit) < 800_000, `${result.edit} bytes of an edited copy`);
  assert.equal(server.store.read.length > 0, true);
});

test("a File of an iframe is a file (law 7)", async (t) => {
  const { page, server } = await openPage(t, async ({ path, count }) => {
    if (path.startsWith("/v1/manifests") && count === 0) server.store.chunks.clear();
  });
  const root = await run<string>(
    page,
    `const inner = document.querySelector("iframe").contentWindow;
    const file = new inner.File([bytes], "a.bin");
    if (file instanceof Blob) throw new Error("it is of this realm");
    result = (await upload(file, { transport, profile })).root;`,
  );
  assert.equal(server.store.file(root).length, LENGTH);
});

test("cookies go to another origin if they are to (law 8)", async (t) => {
  const other = await MemoryServer.listen(t);
  let origin = "";
  const cookies: unknown[] = [];
  other.fault = ({ method, headers }, request, response) => {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-allow-credentials", "true");
    response.setHeader("access-control-allow-headers", "content-type");
    response.setHeader("access-control-allow-methods", "GET, POST, PUT");
    response.setHeader("access-control-expose-headers", "chunker-limits, retry-after");
    if (method === "OPTIONS") {
      request.resume();
      response.writeHead(204).end();
    } else cookies.push(headers.cookie);
  };
  const { page } = await openPage(t);
  origin = new URL(page.url()).origin;
  await page
    .context()
    .addCookies([{ name: "session", value: "1", domain: "localhost", path: "/" }]);
  for (const credentials of ["include", "same-origin", "omit"]) {
    cookies.length = 0;
    await run(
      page,
      `const there = new HttpTransport({
        baseUrl: "http://localhost:${other.port}", credentials: "${credentials}" });
      const { root } = await upload(new Blob([bytes]), { transport: there, profile });
      for await (const _ of download(root, { transport: there }));
      result = root;`,
    );
    const expected = credentials === "include" ? "session=1" : undefined;
    assert.deepEqual([...new Set(cookies)], [expected], credentials);
    other.store.chunks.clear();
  }
});

test("a page of another origin uploads with its cookie to the server for Node, and no other page does", async (t) => {
  const { page, server: own } = await openPage(t);
  const { page: stranger } = await openPage(t);
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const server = await createUploadServer({
    store,
    origins: [`http://localhost:${own.port}`],
    credentials: true,
    authorize: ({ headers }) => headers.cookie === "session=1",
  });
  t.after(() => server.close({ graceMs: 0 }));
  const baseUrl = server.url.replace("127.0.0.1", "localhost");
  const uploading = (credentials: string) => `
    document.cookie = "session=1";
    const transport = new HttpTransport({ baseUrl: "${baseUrl}", credentials: "${credentials}" });
    const retry = { attempts: 1 };
    const uploaded = upload(new File([bytes], "a"), { transport, profile, retry });
    result = await uploaded.then(({ root }) => root, ({ code }) => code);`;
  // `transport` is one of SCRIPT: a block of its own has another.
  const outcome = (on: Page, credentials: string) => run<string>(on, `{${uploading(credentials)}}`);
  const root = await outcome(page, "include");
  assert.equal((await collect(store.read(root))).length, LENGTH);
  assert.equal(await outcome(page, "same-origin"), "forbidden");
  assert.equal(await outcome(stranger, "include"), "network_error");
});

test("network failures, redirects and a proxy's limit are what they are in Node (laws 6, 11)", async (t) => {
  let mode = "";
  const { page, server } = await openPage(t, ({ path, headers, count }, request, response) => {
    if (mode === "resets" && path.startsWith("/v1/packs") && count < 8) {
      request.socket.resetAndDestroy();
    }
    if (mode === "redirects") {
      request.resume();
      response.writeHead(308, { location: "https://localhost:1/" }).end();
    }
    if (mode === "redirects packs" && path.startsWith("/v1/packs")) {
      request.resume();
      response.writeHead(307, { location: "/v1/elsewhere" }).end();
    }
    if (mode === "limits" && Number(headers["content-length"] ?? 0) > 1_048_576) {
      request.resume();
      response.writeHead(413, { "content-type": "text/html" }).end("<html>too large</html>");
    }
  });
  const attempt = () =>
    run<string>(
      page,
      `let retries = 0;
      const retry = { baseDelayMs: 1, maxDelayMs: 2, onRetry: () => retries++ };
      const file = new File([bytes], "a.bin");
      result = await upload(file, { transport, profile, retry })
        .then(() => "uploaded", ({ code }) => code) + " " + Math.min(retries, 1);`,
    );
  for (const [next, expected] of [
    ["resets", "uploaded 1"],
    ["redirects", "redirected 0"],
    ["redirects packs", "redirected 0"],
    ["limits", "uploaded 0"],
  ] as const) {
    mode = next;
    server.store.chunks.clear();
    assert.equal(await attempt(), expected, mode);
  }
});

test("an upload in a page pauses, goes on and is cancelled", async (t) => {
  const { page, server } = await openPage(t, async ({ path }) => {
    if (path.startsWith("/v1/packs")) await sleep(50);
  });
  const states = await run<string[]>(
    page,
    `const file = new File([bytes], "a.bin");
    const first = new Upload(file, { transport, profile, concurrency: 1 });
    result = [first.state];
    first.pause();
    result.push(first.state);
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.resume();
    await first.done;
    result.push(first.state);
    const second = new Upload(new File([bytes, "more"], "b"), { transport });
    second.cancel();
    result.push(await second.done.then(() => "resolved", ({ code }) => code), second.state);`,
  );
  assert.deepEqual(states, ["running", "paused", "done", "aborted", "cancelled"]);
  assert.equal(server.store.manifests.size, 1);
});
