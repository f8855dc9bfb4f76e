// The vectors and the laws in Chromium, on both WebAssembly modules.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { BUILDS, type Build, remoteExecutionInput, VECTORS } from "../builds.js";
import { launch, open, type Site, serve } from "../chromium.js";
import { LAWS } from "../laws.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const IMPORTS = { imports: { "chunker-cdc": "/dist/index.browser.js" } };
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORTS)}</script>`;

const input = remoteExecutionInput();
let browser: Browser;
let site: Site;

before(async () => {
  site = await serve(PACKAGE, {
    "/": PAGE,
    "/vectors.json": readFileSync(VECTORS, "utf8"),
    ...(input && { "/remote-execution": input }),
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

for (const build of Object.keys(BUILDS) as Build[]) {
  test(`chromium ${build}`, async () => {
    const { page, problems } = await open(browser, site.url);
    const { line, differences, laws } = await page.evaluate(
      async ([build, file, remote]) => {
        const at = (path: string) => import(path);
        const { setSource } = await at("/dist/load.js");
        const api = await at("/dist/index.js");
        setSource(() => fetch(`/dist/${file}`));
        await api.ready();
        const { runConformance } = await at("/test-out/conformance.js");
        const vectors = await (await fetch("/vectors.json")).json();
        const outcome = await runConformance(api, vectors, `chromium ${build}`);
        if (remote) {
          const { runRemoteExecution } = await at("/test-out/remote-execution.js");
          const input = await (await fetch("/remote-execution")).arrayBuffer();
          const other = await runRemoteExecution(api, new Uint8Array(input), `chromium ${build}`);
          outcome.line += `\n${other.line}`;
          outcome.differences.push(...other.differences);
        }
        const { LAWS } = await at("/test-out/laws.js");
        const laws: string[] = [];
        for (const [name, law] of Object.entries(LAWS)) {
          await (law as (api: unknown) => Promise<void>)(api);
          laws.push(name);
        }
        return { ...outcome, laws } as { line: string; differences: string[]; laws: string[] };
      },
      [build, BUILDS[build], input !== undefined] as const,
    );
    console.log(line);
    console.log(`laws: chromium ${build}: ${laws.length} hold`);
    assert.deepEqual(differences, []);
    assert.deepEqual(laws, Object.keys(LAWS));
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test("the entry for pages takes the simd128 module, once, and only when it is needed", async () => {
  const { page, problems } = await open(browser, site.url);
  const fetched: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith(".wasm")) fetched.push(request.url());
  });
  const codes = await page.evaluate(async () => {
    const { Chunker, ready } = await import("chunker-cdc");
    const before = await Promise.resolve()
      .then(() => new Chunker())
      .catch((error) => error.code);
    await Promise.all([ready(), ready()]);
    const after = await Promise.resolve()
      .then(() => new Chunker())
      .catch((error) => error.code);
    return [before, typeof after];
  });
  assert.deepEqual(codes, ["not_ready", "object"]);
  assert.deepEqual(fetched, [`${site.url}/dist/chunker-simd128.wasm`]);
  assert.deepEqual(problems, []);
  await page.close();
});

test("metrics of a page count what the page was given, not what its workers did", async () => {
  const { page, problems } = await open(browser, site.url);
  const totals = await page.evaluate(async () => {
    const at = (path: string) => import(path);
    const { chunks, metrics } = await import("chunker-cdc");
    const { ChunkerPool } = await at("/dist/pool/index.browser.js");
    const profile = { minSize: 4096, avgSize: 16_384, maxSize: 65_536 };
    const blob = new Blob([new Uint8Array(6_000_000)]);
    const pool = new ChunkerPool({ workers: 2 });
    let pooled = 0;
    for await (const { length } of pool.chunks(blob, { profile: { ...profile, hash: "blake3" } })) {
      pooled += length;
    }
    await pool.close();
    let count = 0;
    for await (const _ of chunks(blob, { profile })) if (++count === 5) break;
    await pool.chunk(blob).catch(() => {});
    const { sha256, blake3 } = metrics().chunks;
    return { count: sha256.count, pooled, blake3, errors: metrics().errors };
  });
  assert.equal(totals.count, 5);
  assert.equal(totals.pooled, 6_000_000);
  assert.deepEqual(totals.blake3, { count: Math.ceil(6_000_000 / 65_536), bytes: 6_000_000 });
  assert.deepEqual(totals.errors, { chunker_closed: 1 });
  assert.deepEqual(problems, []);
  await page.close();
});

test("the memory of a file's pieces does not wait for the garbage collector", async () => {
  const { page, problems } = await open(browser, site.url);
  const sizes = await page.evaluate(async () => {
    const { chunks } = await import("chunker-cdc");
    const pieces: Uint8Array[] = [];
    const { read } = ReadableStreamDefaultReader.prototype;
    ReadableStreamDefaultReader.prototype.read = async function (this: never) {
      const result = await read.call(this);
      if (result.value) pieces.push(result.value);
      return result;
    };
    const sizesOf = async (source: Blob | ReadableStream<Uint8Array>) => {
      pieces.length = 0;
      let bytes = 0;
      for await (const { length } of chunks(source)) bytes += length;
      const left = pieces.map(({ length }) => length);
      return { bytes, some: pieces.length > 0, left: left.reduce((a, b) => a + b, 0) };
    };
    const file = new File([new Uint8Array(5_000_000)], "file");
    class Own extends Blob {
      override stream() {
        return file.stream();
      }
    }
    const own = new Own([new Uint8Array(5_000_000)]);
    const { stream } = Blob.prototype;
    Blob.prototype.stream = function () {
      return stream.call(this);
    };
    const wrapped = await sizesOf(file);
    Blob.prototype.stream = stream;
    const { postMessage } = MessagePort.prototype;
    MessagePort.prototype.postMessage = () => {
      throw new Error("Transfer list is not supported");
    };
    const untransferred = await sizesOf(file);
    MessagePort.prototype.postMessage = postMessage;
    return {
      file: await sizesOf(file),
      slice: await sizesOf(file.slice(1000)),
      stream: await sizesOf(file.stream()),
      own: await sizesOf(own),
      wrapped,
      untransferred,
    };
  });
  const some = true;
  assert.deepEqual(sizes, {
    file: { bytes: 5_000_000, some, left: 0 },
    slice: { bytes: 4_999_000, some, left: 0 },
    // Whoever made a stream may still need its bytes.
    stream: { bytes: 5_000_000, some, left: 5_000_000 },
    own: { bytes: 5_000_000, some, left: 5_000_000 },
    wrapped: { bytes: 5_000_000, some, left: 5_000_000 },
    // Ports of Cloudflare Workers refuse to transfer anything.
    untransferred: { bytes: 5_000_000, some, left: 5_000_000 },
  });
  assert.deepEqual(problems, []);
  await page.close();
});

test("a file of the page is read by a worker as well", async () => {
  const { page, problems } = await open(browser, site.url);
  const [here, there] = await page.evaluate(async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const file = new File(
      Array.from({ length: 100 }, () => bytes),
      "file",
    );
    const profile = { minSize: 4096, avgSize: 16_384, maxSize: 65_536 };
    const { chunks } = await import("chunker-cdc");
    const here: unknown[] = [];
    for await (const chunk of chunks(file, { profile })) here.push(chunk);
    // An import map does not reach into a worker.
    const source = `
      import { chunks } from "${location.origin}/dist/index.browser.js";
      onmessage = async ({ data: [file, profile] }) => {
        const found = [];
        for await (const chunk of chunks(file, { profile })) found.push(chunk);
        postMessage(JSON.stringify(found));
      };`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    const there = await new Promise<string>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage([file, profile]);
    });
    return [JSON.stringify(here), there];
  });
  assert.equal(there, here);
  assert.ok(here.length > 1000);
  assert.deepEqual(problems, []);
  await page.close();
});

test("lines of a page come to its console at the level that was set", async () => {
  const { page, problems } = await open(browser, site.url);
  const lines: string[] = [];
  page.on("console", (message) => lines.push(`${message.type()} ${message.text()}`));
  await page.evaluate(async () => {
    const { chunk, setLogLevel } = await import("chunker-cdc");
    const refused = () => chunk(new Uint8Array(1), { profile: { minSize: 63 } }).catch(() => {});
    await refused();
    setLogLevel("all");
    await chunk(new Uint8Array(3_000_000));
    await refused();
    setLogLevel("none");
    await refused();
  });
  assert.deepEqual(lines, [
    "debug chunker: chunk_emitted offset=0 length=3000000 hash=sha256",
    "debug chunker: error_returned code=invalid_chunking_options",
  ]);
  assert.deepEqual(problems, []);
  await page.close();
});
