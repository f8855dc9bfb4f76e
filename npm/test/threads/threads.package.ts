// The threads of the packed tarball, wherever the README says that they work.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { ISOLATED, launch, open, serve } from "../chromium.js";
import { bundleByWebpack, output, PACKAGE, type Packed, pack, tool } from "../package/packed.js";

const NAMES = "const { ThreadedChunker } =";
const INPUT = `
const data = new Uint8Array(9_000_000).map((_, i) => (i * i) >> 7);
const options = { minSize: 4096, avgSize: 16384, maxSize: 65536, hash: "blake3" };
const show = (found) => found.length + " chunks, " + found.map(({ hashHex }) => hashHex.slice(0, 2)).join("");
`;
const SINGLE = `import { chunk } from "chunker-wasm";${INPUT}console.log(show(await chunk(data, options)));`;
/** Has one line that depends on all chunks. */
const BODY = `${INPUT}
const chunker = new ThreadedChunker({ threads: 2 });
const found = [];
for await (const chunk of chunker.chunks(new Blob([data]), options)) found.push(chunk);
await chunker.close();
const line = show(found);
`;
const PRINT = "console.log(line);";
const PUT = "document.title = line;";

let packed: Packed;
let browser: Browser;
/** What every environment must show: what the main module finds. */
let expected: string;

before(async () => {
  packed = await pack();
  browser = await launch();
  expected = await output(packed.project("single", { "a.mjs": SINGLE }), "node", "a.mjs");
  assert.match(expected, /^\d+ chunks, [0-9a-f]{200,}$/);
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

const page = (script: string) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" ${script}</script>`;
const BUNDLED = {
  "a.js": `import { ThreadedChunker } from "chunker-wasm/threads";${BODY}${PUT}`,
  "package.json": `{ "type": "module" }`,
};

test("Node ESM and CommonJS", async () => {
  const folder = packed.project("node", {
    "a.mjs": `${NAMES} await import("chunker-wasm/threads");${BODY}${PRINT}`,
    "a.cjs": `${NAMES} require("chunker-wasm/threads"); (async () => { ${BODY}${PRINT} })();`,
  });
  for (const file of ["a.mjs", "a.cjs"]) assert.equal(await output(folder, "node", file), expected);
});

test("the README's example", async () => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const [, example] = /## Threads\n\n```js\n(.*?)```/s.exec(readme) ?? [];
  const file = `import { openAsBlob } from "node:fs"; const file = await openAsBlob("a.mjs");`;
  const folder = packed.project("readme", { "a.mjs": `${file}\n${example}` });
  assert.match(await output(folder, "node", "a.mjs"), /^[0-9a-f]{64} 0 \d+$/);
});

test("a plain page, without an import map", async () => {
  const entry = "/node_modules/chunker-wasm/dist/threads/index.browser.js";
  const script = `import { ThreadedChunker } from "${entry}";${BODY}${PUT}`;
  await shows(packed.project("plain", { "index.html": page(`>${script}`) }));
});

test("a page that Vite builds", async () => {
  const folder = packed.project("vite", { "index.html": page(`src="/a.js">`), ...BUNDLED });
  await output(folder, tool("vite"), "build", "--logLevel", "warn");
  await shows(join(folder, "dist"));
});

test("a page that webpack bundles", async () => {
  const folder = packed.project("webpack", {
    "dist/index.html": page(`src="/main.js">`),
    ...BUNDLED,
  });
  await bundleByWebpack(folder);
  await shows(join(folder, "dist"));
});

/** Opens the page of `folder`, isolated, and asserts that it finds what the main module does. */
async function shows(folder: string): Promise<void> {
  await using site = await serve(folder, {}, ISOLATED);
  const { page, problems } = await open(browser, `${site.url}/index.html`);
  await page.waitForFunction(() => document.title !== "" || undefined, null, { timeout: 20_000 });
  assert.equal(await page.title(), expected);
  assert.deepEqual(problems, []);
  await page.close();
}
