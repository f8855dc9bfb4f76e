// `chunker-cdc/debug` in a page and in a worker of its own.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { launch } from "../chromium.js";
import { MemoryServer } from "../dedup/memory-server.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const TYPES: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm" };
let browser: Browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Uploads and downloads while everything is shown; `found` has the names of the measures. */
const SCRIPT = `
import { chunk } from "/dist/index.browser.js";
import { debug } from "/dist/debug/index.browser.js";
import { download, HttpTransport, upload } from "/dist/dedup/index.browser.js";
import { ChunkerPool } from "/dist/pool/index.browser.js";
const bytes = new Uint8Array(3_000_000);
for (let n = 0, x = 1; n < bytes.length; n++) bytes[n] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 16;
const blake3 = { profile: { minSize: 4096, avgSize: 16384, maxSize: 65536, hash: "blake3" } };
const before = await chunk(bytes, blake3);
await debug();
const transport = new HttpTransport({ baseUrl: location.origin });
const { root } = await upload(new File([bytes], "a"), { transport, profile: "medium" });
for await (const _ of download(root, { transport }));
const shown = await chunk(bytes, blake3);
const pool = new ChunkerPool({ workers: 2 });
const pooled = await pool.chunk(bytes, blake3);
await pool.close();
const texts = [before, shown, pooled].map((chunks) => JSON.stringify(chunks.map(({ hashHex }) => hashHex)));
const found = {
  chunks: before.length,
  same: texts.every((text) => text === texts[0]),
  names: performance.getEntriesByType("measure").map(({ name }) => name),
};`;

interface Found {
  chunks: number;
  same: boolean;
  names: string[];
}

for (const [where, page, worker] of [
  ["a page", `${SCRIPT} globalThis.found = found;`, ""],
  [
    "a worker",
    `new Worker("/worker.js", { type: "module" }).onmessage = ({ data }) => { globalThis.found = data; };`,
    `${SCRIPT} postMessage(found);`,
  ],
] as const) {
  test(`in ${where}, cutting, hashing and transfers are measures, and chunks stay the same`, async (t) => {
    const server = await MemoryServer.listen(t);
    const texts: Record<string, [string, string]> = {
      "/": [
        "text/html",
        `<!doctype html><link rel="icon" href="data:,"><script type="module">${page}</script>`,
      ],
      "/worker.js": ["text/javascript", worker],
    };
    server.fault = async ({ path }, _, response) => {
      if (path.startsWith("/v1")) return;
      const [type, text] = texts[path] ?? [TYPES[extname(path)] ?? "application/octet-stream"];
      const body = text ?? (await readFile(join(PACKAGE, normalize(path))).catch(() => undefined));
      response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
    };
    const context = await browser.newContext();
    t.after(() => context.close());
    const tab = await context.newPage();
    const lines: string[] = [];
    const problems: string[] = [];
    tab.on("console", (message) => lines.push(message.text()));
    tab.on("pageerror", (error) => problems.push(error.stack ?? error.message));
    await tab.goto(`http://localhost:${server.port}/`);
    const result = await tab.waitForFunction(
      () => (globalThis as { found?: unknown }).found,
      null,
      { timeout: 20_000 },
    );
    const { chunks, same, names } = (await result.jsonValue()) as Found;
    assert.deepEqual(problems, []);
    assert.ok(same);
    const count = (start: string) => names.filter((name) => name.startsWith(start)).length;
    // The upload hashes with SHA-256, which is the platform's here; `chunk` with BLAKE3, the module's.
    for (const name of ['"fastcdc" chunker', '"hashing" chunker', "chunker: hashing"]) {
      assert.ok(count(name) >= chunks / 4, `${name}: ${count(name)} for ${chunks} chunks`);
    }
    for (const name of ["upload", "download", "POST /v1/packs/sha256", "PUT /v1/manifests/"]) {
      assert.ok(count(`chunker: ${name}`) > 0, name);
    }
    for (const line of ["chunker: upload ms=", "chunker: POST /v1/packs/sha256 ms=", "TRACE"]) {
      assert.ok(
        lines.some((text) => text.includes(line)),
        line,
      );
    }
    console.log(`debug: ${names.length} measures and ${lines.length} lines in ${where}`);
  });
}
