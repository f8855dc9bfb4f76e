// The debug entry of the packed tarball: in Node, and in pages that Vite and webpack build.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertTitle, launch, serve } from "../chromium.js";
import { bundleByWebpack, output, type Packed, pack, tool } from "../package/packed.js";

let packed: Packed;
let browser: Browser;

before(async () => {
  packed = await pack();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

const BODY = `
await debug({ console: false });
await chunk(new Uint8Array(500_000), { profile: { hash: "blake3" } });
const names = performance.getEntriesByType("measure").map(({ name }) => name.split(" ", 1)[0]);
const line = [...new Set(names)].sort().join();
`;
const IMPORTS = `import { chunk } from "chunker-cdc"; import { debug } from "chunker-cdc/debug";`;
const EXPECTED = '"fastcdc","hashing",TRACE';
const BUNDLED = {
  "a.js": `${IMPORTS} (async () => { ${BODY} document.title = line; })();`,
  "package.json": `{ "type": "module" }`,
};

const page = (script: string) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

test("Node ESM and CommonJS", async () => {
  const folder = packed.project("node", {
    "a.mjs": `${IMPORTS}${BODY}console.log(line);`,
    "a.cjs": `const { chunk } = require("chunker-cdc"), { debug } = require("chunker-cdc/debug");
      (async () => { ${BODY}console.log(line); })();`,
  });
  for (const file of ["a.mjs", "a.cjs"]) {
    assert.equal(await output(folder, "node", file), EXPECTED);
  }
});

test("a page that Vite builds", async () => {
  const folder = packed.project("vite", { ...BUNDLED, "index.html": page("/a.js") });
  await output(folder, tool("vite"), "build", "--logLevel", "warn");
  await shows(join(folder, "dist"));
});

test("a page that webpack bundles", async () => {
  const folder = packed.project("webpack", { ...BUNDLED, "dist/index.html": page("/main.js") });
  await bundleByWebpack(folder);
  await shows(join(folder, "dist"));
});

async function shows(folder: string): Promise<void> {
  await using site = await serve(folder);
  await assertTitle(browser, `${site.url}/index.html`, EXPECTED);
}
