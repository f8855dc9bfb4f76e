// A part of the packed tarball, wherever the README says that it works.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertTitle, launch, serve } from "../chromium.js";
import { bundleByWebpack, output, PACKAGE, type Packed, pack, tool } from "./packed.js";

export interface Part {
  /** Exported by `chunker-cdc/` and `entry`. */
  name: string;
  entry: string;
  /** Heading of its example in the README, which prints the chunks of `file`. */
  section: string;
  /** Lines of JavaScript that leave the chunks of `data` in `found`. */
  find: string;
  /** What its pages are served with. */
  headers?: Record<string, string>;
}

export interface Environments {
  /** Makes a project that has the package installed, and these files; returns its folder. */
  project: Packed["project"];
}

const INPUT = `
const data = new Uint8Array(9_000_000).map((_, i) => (i * i) >> 7);
const options = { profile: { minSize: 4096, avgSize: 16384, maxSize: 65536, hash: "blake3" } };
const show = (found) => found.length + " chunks, " + found.map(({ hashHex }) => hashHex.slice(0, 2)).join("");
`;
const SINGLE = `import { chunk } from "chunker-cdc";${INPUT}console.log(show(await chunk(data, options)));`;
const PRINT = "console.log(show(found));";
const PUT = "document.title = show(found);";

/** Tests `part` in Node and in pages, plain and bundled; the result serves for more tests of it. */
export function testEverywhere({ name, entry, section, find, headers }: Part): Environments {
  const module = `chunker-cdc/${entry}`;
  const body = `${INPUT}${find}`;
  let packed: Packed;
  let browser: Browser;
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

  test("Node ESM and CommonJS", async () => {
    const folder = packed.project("node", {
      "a.mjs": `const { ${name} } = await import("${module}");${body}${PRINT}`,
      "a.cjs": `const { ${name} } = require("${module}"); (async () => { ${body}${PRINT} })();`,
    });
    for (const file of ["a.mjs", "a.cjs"])
      assert.equal(await output(folder, "node", file), expected);
  });

  test("the README's example", async () => {
    const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
    const [, example] = readme.split(`## ${section}\n`)[1]?.match(/^\n```js\n(.*?)```/s) ?? [];
    const file = `import { openAsBlob } from "node:fs"; const file = await openAsBlob("a.mjs");`;
    const folder = packed.project("readme", { "a.mjs": `${file}\n${example}` });
    assert.match(await output(folder, "node", "a.mjs"), /^[0-9a-f]{64} 0 \d+$/);
  });

  test("a plain page, without an import map", async () => {
    const path = `/node_modules/chunker-cdc/dist/${entry}/index.browser.js`;
    const script = `import { ${name} } from "${path}";${body}${PUT}`;
    await servedShows(packed.project("plain", { "index.html": page(`>${script}`) }));
  });

  test("a page that Vite builds", async () => {
    const folder = bundled("vite");
    await output(folder, tool("vite"), "build", "--logLevel", "warn");
    await servedShows(join(folder, "dist"));
  });

  test("a page that webpack bundles", async () => {
    const folder = packed.project("webpack", {
      ...BUNDLED,
      "dist/index.html": page(`src="/main.js">`),
    });
    await bundleByWebpack(folder);
    await servedShows(join(folder, "dist"));
  });

  const BUNDLED = {
    "a.js": `import { ${name} } from "${module}";${body}${PUT}`,
    "package.json": `{ "type": "module" }`,
  };

  function bundled(project: string): string {
    return packed.project(project, { ...BUNDLED, "index.html": page(`src="/a.js">`) });
  }

  async function servedShows(folder: string): Promise<void> {
    await using site = await serve(folder, {}, headers);
    await shows(site.url);
  }

  function shows(url: string): Promise<void> {
    return assertTitle(browser, `${url}/index.html`, expected);
  }

  return { project: (name, files) => packed.project(name, files) };
}

function page(script: string): string {
  return `<!doctype html><link rel="icon" href="data:,"><script type="module" ${script}</script>`;
}
