// The pool of the packed tarball, wherever the README says that it works.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { launch, open, serve } from "../chromium.js";
import { bundleByWebpack, output, PACKAGE, type Packed, pack, tool } from "../package/packed.js";

const NAMES = "const { ChunkerPool } =";
const INPUT = `
const data = new Uint8Array(9_000_000).map((_, i) => (i * i) >> 7);
const options = { minSize: 4096, avgSize: 16384, maxSize: 65536, hash: "blake3" };
const show = (found) => found.length + " chunks, " + found.map(({ hashHex }) => hashHex.slice(0, 2)).join("");
`;
const SINGLE = `import { chunk } from "chunker-wasm";${INPUT}console.log(show(await chunk(data, options)));`;
/** Has one line that depends on all chunks; the input is divided among two workers. */
const BODY = `${INPUT}
const pool = new ChunkerPool({ workers: 2 });
const found = await pool.chunk(data, options);
const inBlob = [];
for await (const chunk of pool.chunks(new Blob([data]), options)) inBlob.push(chunk);
await pool.close();
const line = show(found) + " " + (show(found) === show(inBlob));
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
  const single = await output(packed.project("single", { "a.mjs": SINGLE }), "node", "a.mjs");
  assert.match(single, /^\d+ chunks, [0-9a-f]{200,}$/);
  expected = `${single} true`;
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

const page = (script: string) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" ${script}</script>`;

test("Node ESM and CommonJS", async () => {
  const folder = packed.project("node", {
    "a.mjs": `${NAMES} await import("chunker-wasm/pool");${BODY}${PRINT}`,
    "a.cjs": `${NAMES} require("chunker-wasm/pool"); (async () => { ${BODY}${PRINT} })();`,
  });
  for (const file of ["a.mjs", "a.cjs"]) assert.equal(await output(folder, "node", file), expected);
});

test("the README's example", async () => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const [, example] = /## Several cores\n\n```js\n(.*?)```/s.exec(readme) ?? [];
  const file = `import { openAsBlob } from "node:fs"; const file = await openAsBlob("a.mjs");`;
  const folder = packed.project("readme", { "a.mjs": `${file}\n${example}` });
  assert.match(await output(folder, "node", "a.mjs"), /^[0-9a-f]{64} 0 \d+$/);
});

test("a plain page, without an import map", async () => {
  const entry = "/node_modules/chunker-wasm/dist/pool/index.browser.js";
  const script = `import { ChunkerPool } from "${entry}";${BODY}${PUT}`;
  await shows(packed.project("plain", { "index.html": page(`>${script}`) }));
});

test("a page that Vite builds, with workers that Vite builds", async () => {
  const folder = packed.project("vite", {
    "index.html": page(`src="/a.js">`),
    "a.js": `import { ChunkerPool } from "chunker-wasm/pool";${BODY}${PUT}`,
    "package.json": `{ "type": "module" }`,
  });
  await output(folder, tool("vite"), "build", "--logLevel", "warn");
  await shows(join(folder, "dist"));
});

test("a page that webpack bundles, with workers that webpack bundles", async () => {
  const folder = packed.project("webpack", {
    "dist/index.html": page(`src="/main.js">`),
    "a.js": `import { ChunkerPool } from "chunker-wasm/pool";${BODY}${PUT}`,
    "package.json": `{ "type": "module" }`,
  });
  await bundleByWebpack(folder);
  await shows(join(folder, "dist"));
});

test("a page of Vite's development server", async (t) => {
  const folder = packed.project("vite dev", {
    "index.html": page(`src="/a.js">`),
    "a.js": `import { ChunkerPool } from "chunker-wasm/pool";${BODY}${PUT}`,
    "package.json": `{ "type": "module" }`,
  });
  const server = spawn(
    tool("vite"),
    ["--host", "127.0.0.1", "--port", "0", "--clearScreen", "false"],
    {
      cwd: folder,
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  t.after(() => server.kill());
  let printed = "";
  for await (const text of server.stdout) {
    printed += text;
    if (/127\.0\.0\.1:\d+/.test(printed)) break;
  }
  const [url = ""] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? [];
  await showsAt(url);
});

test("TypeScript, strict: a page and Node", async () => {
  const text = `import { ChunkerPool, type PoolOptions } from "chunker-wasm/pool";
    import type { Chunk, ReadOptions } from "chunker-wasm";
    const options: PoolOptions = { workers: 2 };
    const read: ReadOptions = { minSize: 64, signal: new AbortController().signal };
    export async function all(file: Blob): Promise<Chunk[]> {
      const pool = new ChunkerPool(options);
      for await (const { offset } of pool.chunks(file, read)) void (offset satisfies number);
      // @ts-expect-error an unknown option
      new ChunkerPool({ threads: 2 });
      await pool[Symbol.asyncDispose]();
      return pool.chunk(new ArrayBuffer(5), read);
    }`;
  for (const [name, lib, types] of [
    ["page", ["es2022", "dom", "dom.asynciterable"], []],
    ["node", ["es2022"], ["node"]],
  ] as const) {
    const compilerOptions = {
      module: "node16",
      moduleResolution: "node16",
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: "es2022",
      lib,
      types,
      typeRoots: [join(PACKAGE, "node_modules/@types")],
    };
    const folder = packed.project(`ts ${name}`, {
      "a.mts": text,
      "tsconfig.json": JSON.stringify({ compilerOptions, include: ["a.mts"] }),
    });
    await output(folder, tool("tsc"), "-p", ".");
  }
});

/** Opens the page of `folder` and asserts that it finds what the main module does. */
async function shows(folder: string): Promise<void> {
  const site = await serve(folder);
  await showsAt(site.url);
  await site[Symbol.asyncDispose]();
}

async function showsAt(url: string): Promise<void> {
  const { page, problems } = await open(browser, `${url}/index.html`);
  await page.waitForFunction(() => document.title !== "" || undefined, null, { timeout: 20_000 });
  assert.equal(await page.title(), expected);
  assert.deepEqual(problems, []);
  await page.close();
}
