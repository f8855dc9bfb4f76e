// The vectors, the laws and streams of the real tools in Chromium.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { launch, open, type Site, serve } from "../chromium.js";
import { VECTORS } from "../codecs/conformance.js";
import { CODECS, LAWS } from "../codecs/laws.js";
import { tarOfSources, tool } from "../codecs/tools.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const IMPORTS = { imports: { "chunker-cdc/codecs": "/dist/codecs/index.browser.js" } };
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORTS)}</script>`;

let browser: Browser;
let site: Site;

before(async () => {
  const tar = tarOfSources();
  const fixtures = CODECS.map((codec) => [
    codec,
    Buffer.from(tool(codec, [], tar)).toString("base64"),
  ]);
  site = await serve(PACKAGE, {
    "/": PAGE,
    "/codecs.json": readFileSync(VECTORS, "utf8"),
    "/fixtures.json": JSON.stringify({ tar: Buffer.from(tar).toString("base64"), fixtures }),
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

test("chromium codecs", async () => {
  const { page, problems } = await open(browser, site.url);
  const fetched: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith(".wasm")) fetched.push(request.url());
  });
  const { line, differences, laws } = await page.evaluate(async () => {
    const at = (path: string) => import(path);
    const api = await import("chunker-cdc/codecs");
    const { runConformance } = await at("/test-out/codecs/conformance.js");
    const vectors = await (await fetch("/codecs.json")).json();
    const outcome = await runConformance(api, vectors, "chromium");
    const { LAWS } = await at("/test-out/codecs/laws.js");
    const laws: string[] = [];
    for (const [name, law] of Object.entries(LAWS)) {
      await (law as (of: unknown) => Promise<void>)(api);
      laws.push(name);
    }
    return { ...outcome, laws } as { line: string; differences: string[]; laws: string[] };
  });
  console.log(line);
  console.log(`laws: chromium codecs: ${laws.length} hold`);
  assert.deepEqual(differences, []);
  assert.deepEqual(laws, Object.keys(LAWS));
  assert.deepEqual(fetched, [`${site.url}/dist/chunker-codecs.wasm`]);
  assert.deepEqual(problems, []);
  await page.close();
});

test("chromium reads what the tools make of a tar archive", async () => {
  const { page, problems } = await open(browser, site.url);
  const read = await page.evaluate(async () => {
    const bytes = (text: string) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const { tar, fixtures } = await (await fetch("/fixtures.json")).json();
    const { DecompressTransform, decompressAuto } = await import("chunker-cdc/codecs");
    const wanted = bytes(tar);
    const equal = (found: Uint8Array) =>
      found.length === wanted.length && found.every((byte, at) => byte === wanted[at]);
    const read: string[] = [];
    for (const [codec, text] of fixtures) {
      const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressTransform(codec));
      const streamed = new Uint8Array(await new Response(stream).arrayBuffer());
      if (equal(streamed) && equal(await decompressAuto(bytes(text)))) read.push(codec);
    }
    return read;
  });
  assert.deepEqual(read, [...CODECS]);
  assert.deepEqual(problems, []);
  await page.close();
});
