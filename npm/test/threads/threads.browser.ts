// The threads in Chromium, in a page that is cross-origin isolated, and in one that is not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type * as Api from "chunker-cdc";
import type { ThreadedChunker } from "chunker-cdc/threads";
import type { Browser } from "playwright-core";
import { VECTORS } from "../builds.js";
import { ISOLATED, launch, open, type Site, serve } from "../chromium.js";
import { THREADS_LAWS } from "./laws.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const IMPORTS = {
  imports: {
    "chunker-cdc": "/dist/index.browser.js",
    "chunker-cdc/threads": "/dist/threads/index.browser.js",
  },
};
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORTS)}</script>`;
const PAGES = { "/": PAGE, "/vectors.json": readFileSync(VECTORS, "utf8") };

let browser: Browser;
let site: Site;

before(async () => {
  site = await serve(PACKAGE, PAGES, ISOLATED);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

test("the laws of the threads and the vectors hold in a page, and its workers end", async () => {
  const { page, problems } = await open(browser, site.url);
  const { line, differences, laws } = await page.evaluate(async () => {
    const at = (path: string) => import(path);
    const api: typeof Api = await at("chunker-cdc");
    const { ThreadedChunker: Threaded }: { ThreadedChunker: typeof ThreadedChunker } =
      await at("chunker-cdc/threads");
    const { runConformance } = await at("/test-out/conformance.js");
    const vectors = await (await fetch("/vectors.json")).json();
    const chunker = new Threaded({ threads: 2 });
    const threaded = { ...api, chunk: chunker.chunk.bind(chunker) };
    const outcome = await runConformance(threaded, vectors, "chromium threads");
    await chunker.close();
    const { THREADS_LAWS } = await at("/test-out/threads/laws.js");
    const laws: string[] = [];
    for (const [name, law] of Object.entries(THREADS_LAWS)) {
      await (law as (...args: unknown[]) => Promise<void>)(api, Threaded);
      laws.push(name);
    }
    return { ...outcome, laws } as { line: string; differences: string[]; laws: string[] };
  });
  console.log(line);
  console.log(`laws: chromium threads: ${laws.length} hold`);
  assert.deepEqual(differences, []);
  assert.deepEqual(laws, Object.keys(THREADS_LAWS));
  assert.deepEqual(problems, []);
  for (let wait = 0; page.workers().length > 0 && wait < 100; wait++) await page.waitForTimeout(50);
  assert.equal(page.workers().length, 0);
  await page.close();
});

test("a page that is not isolated has no threads, and starts no worker", async () => {
  await using plain = await serve(PACKAGE, PAGES);
  const { page, problems } = await open(browser, plain.url);
  const code = await page.evaluate(async () => {
    const { ThreadedChunker } = await import("chunker-cdc/threads");
    try {
      new ThreadedChunker();
      return undefined;
    } catch (error) {
      return (error as Api.ChunkerError).code;
    }
  });
  assert.equal(code, "threads_unavailable");
  assert.equal(page.workers().length, 0);
  assert.deepEqual(problems, []);
  await page.close();
});

test("a module, a script or a member that fails is a typed error", async () => {
  for (const [missing, expected] of [
    ["**/chunker-threads.wasm", "not_ready"],
    ["**/member.browser.js", "worker_failed"],
  ] as const) {
    const { page } = await open(browser, site.url);
    await page.route(missing, (route) => route.abort());
    // What workers fetch is routed by the context.
    await page.context().route(missing, (route) => route.abort());
    const code = await page.evaluate(async () => {
      const { ThreadedChunker } = await import("chunker-cdc/threads");
      return new ThreadedChunker({ threads: 2 })
        .chunk(new Uint8Array(5))
        .catch((error: Api.ChunkerError) => error.code);
    });
    assert.equal(code, expected, missing);
    await page.close();
  }
  const { page } = await open(browser, site.url);
  const reading = page.evaluate(async () => {
    const { ThreadedChunker } = await import("chunker-cdc/threads");
    const chunker = new ThreadedChunker({ threads: 2 });
    const data = new Uint8Array(9_000_000);
    try {
      for (;;) await chunker.chunk(data);
    } catch (error) {
      const again = await chunker.chunk(data);
      await chunker.close();
      return [(error as Api.ChunkerError).code, again.at(-1)?.offset];
    }
  });
  const leader = await page.waitForEvent("worker");
  await leader.evaluate(() => {
    setTimeout(() => {
      throw new Error("out of order");
    });
  });
  assert.deepEqual(await reading, ["worker_failed", 2 * 4 * 1024 * 1024]);
  await page.close();
});
