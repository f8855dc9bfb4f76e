// The pool in Chromium: its laws, the vectors, and a large file in bounded memory.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type * as Api from "chunker-cdc";
import type { ChunkerPool } from "chunker-cdc/pool";
import type { Browser, Worker } from "playwright-core";
import { VECTORS } from "../builds.js";
import { launch, open, type Site, serve } from "../chromium.js";
import { POOL_LAWS } from "./laws.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const IMPORTS = {
  imports: {
    "chunker-cdc": "/dist/index.browser.js",
    "chunker-cdc/pool": "/dist/pool/index.browser.js",
  },
};
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORTS)}</script>`;

let browser: Browser;
let site: Site;

before(async () => {
  site = await serve(PACKAGE, { "/": PAGE, "/vectors.json": readFileSync(VECTORS, "utf8") });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

test("the laws of the pool and the vectors hold in a page", async () => {
  const { page, problems } = await open(browser, site.url);
  const { line, differences, laws } = await page.evaluate(async () => {
    const at = (path: string) => import(path);
    const api: typeof Api = await at("chunker-cdc");
    const { ChunkerPool: Pool }: { ChunkerPool: typeof ChunkerPool } = await at("chunker-cdc/pool");
    const { runConformance } = await at("/test-out/conformance.js");
    const vectors = await (await fetch("/vectors.json")).json();
    const pool = new Pool({ workers: 2 });
    const pooled = { ...api, chunk: pool.chunk.bind(pool) };
    const outcome = await runConformance(pooled, vectors, "chromium pool");
    await pool.close();
    const { POOL_LAWS } = await at("/test-out/pool/laws.js");
    const laws: string[] = [];
    for (const [name, law] of Object.entries(POOL_LAWS)) {
      await (law as (...args: unknown[]) => Promise<void>)(api, Pool);
      laws.push(name);
    }
    return { ...outcome, laws } as { line: string; differences: string[]; laws: string[] };
  });
  console.log(line);
  console.log(`laws: chromium pool: ${laws.length} hold`);
  assert.deepEqual(differences, []);
  assert.deepEqual(laws, Object.keys(POOL_LAWS));
  assert.deepEqual(problems, []);
  await page.close();
});

test("a worker that fails or cannot be loaded is a typed error, in a page too", async () => {
  const { page } = await open(browser, site.url);
  // An idle worker that fails is replaced without an error, so every new one is made to fail as well.
  const fail = (worker: Worker) =>
    worker
      .evaluate(() => {
        setTimeout(() => {
          throw new Error("out of order");
        });
      })
      .catch(() => {});
  page.on("worker", fail);
  const code = await page.evaluate(async () => {
    const { ChunkerPool } = await import("chunker-cdc/pool");
    const pool = new ChunkerPool({ workers: 2 });
    const file = new File(
      Array.from({ length: 100 }, () => crypto.getRandomValues(new Uint8Array(65_536))),
      "file",
    );
    const options = { profile: { minSize: 64, avgSize: 256, maxSize: 1024 } };
    const lengthOf = async () => {
      let length = 0;
      for await (const chunk of pool.chunks(file, options)) length += chunk.length;
      return length;
    };
    const passes = async () => {
      try {
        for (let pass = 0; pass < 1000; pass += 1) await lengthOf();
        return "no worker failed";
      } catch (error) {
        return (error as Api.ChunkerError).code;
      }
    };
    Object.assign(globalThis, { isWhole: async () => (await lengthOf()) === file.size });
    return passes();
  });
  assert.equal(code, "worker_failed");
  page.off("worker", fail);
  const isWhole = await page.evaluate(async () => {
    const { isWhole } = globalThis as unknown as { isWhole: () => Promise<boolean> };
    // The last workers may still fail.
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await isWhole();
      } catch (error) {
        if (attempts === 10) throw error;
      }
    }
  });
  assert.ok(isWhole);
  await page.route("**/worker.browser.js", (route) => route.abort());
  const other = await page.evaluate(async () => {
    const { ChunkerPool } = await import("chunker-cdc/pool");
    return new ChunkerPool().chunk(new Uint8Array(5)).catch(({ code }) => code);
  });
  assert.equal(other, "worker_failed");
  await page.close();
});

test("the page stays responsive and its memory bounded while a large Blob is cut", async () => {
  const { page, problems } = await open(browser, site.url);
  const { length, longest, heap } = await page.evaluate(async () => {
    const { ChunkerPool } = await import("chunker-cdc/pool");
    const part = new Blob(
      Array.from({ length: 256 }, () => crypto.getRandomValues(new Uint8Array(65_536))),
    );
    const blob = new Blob(Array.from({ length: 20 }, () => part));
    const pool = new ChunkerPool({ workers: 2 });
    const memory = () =>
      (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;
    let longest = 0;
    let heap = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      heap = Math.max(heap, memory());
    }, 1);
    let length = 0;
    for await (const chunk of pool.chunks(blob, { profile: { hash: "blake3" } }))
      length += chunk.length;
    clearInterval(timer);
    await pool.close();
    return { length, longest, heap };
  });
  assert.equal(length, 20 * 256 * 65_536);
  console.log(
    `page: longest task ${longest.toFixed()} ms, heap at most ${(heap / 1e6).toFixed(1)} MB`,
  );
  assert.ok(heap < 50e6, `${heap} bytes`);
  assert.deepEqual(problems, []);
  await page.close();
});
