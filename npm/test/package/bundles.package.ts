// Bundles of the packed tarball, for Node and for pages, each without a setting: they have all parts of
// the package, wherever they are put.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { type BuildOptions, build } from "esbuild";
import type { Browser } from "playwright-core";
import { ISOLATED, launch, open, serve } from "../chromium.js";
import { startVite } from "../vite.js";
import { bundleByWebpack, installAddonIn, output, PACKAGE, type Packed, pack } from "./packed.js";

const PROJECTS = join(PACKAGE, "test/bundlers/projects");
const text = (name: string) => readFileSync(join(PROJECTS, name), "utf8");
/** How a WebAssembly module begins, in base64. */
const WASM = "AGFzbQ";
/** What a page's script with all parts of the package may weigh with brotli, in bytes. */
const SCRIPT_LIMIT = 28_500;
/** What shows, in a page and in Node, whether all parts of the package work. */
const FILES = {
  "probe.js": text("probe.js"),
  "main.js": text("page/main.js"),
  "print.js": text("print.js"),
  "index.html": text("page/index.html"),
  "vite.config.mjs": text("page/vite.config.mjs"),
  "package.json": `{ "type": "module" }`,
};

let packed: Packed;
let browser: Browser;
let expected: string;

before(async () => {
  packed = await pack();
  browser = await launch();
  expected = await output(packed.project("reference", FILES), "node", "print.js");
  assert.match(
    expected,
    /^chunk: (\d+ [0-9a-f]{64}), codecs: 9000000, pool: \1, threads: \1, dedup: function$/,
  );
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

/** Runs `file` of a folder in an empty one, which has nothing but that folder's files. */
async function runAway(folder: string, file: string): Promise<string> {
  const away = mkdtempSync(join(tmpdir(), "chunker-away-"));
  try {
    cpSync(folder, away, { recursive: true });
    return await output(away, "node", file);
  } finally {
    rmSync(away, { recursive: true, force: true });
  }
}

async function bundle(project: string, options: BuildOptions): Promise<string> {
  const folder = packed.project(project, FILES);
  const outdir = join(folder, "out");
  await build({ absWorkingDir: folder, bundle: true, outdir, logLevel: "warning", ...options });
  return outdir;
}

for (const [format, ending] of [
  ["esm", ".mjs"],
  ["cjs", ".cjs"],
] as const) {
  test(`esbuild, for Node: ${format}`, async () => {
    const out = await bundle(`esbuild-${format}`, {
      entryPoints: ["print.js"],
      platform: "node",
      format,
      outExtension: { ".js": ending },
      // Warns of every import.meta of a CommonJS bundle: there, only the addon is not found.
      logLevel: "error",
    });
    assert.equal(await runAway(out, `print${ending}`), expected);
  });
}

test("webpack, for Node", async () => {
  const folder = packed.project("webpack-node", { ...FILES, "a.js": text("print.js") });
  await bundleByWebpack(folder, "node20");
  assert.equal(await runAway(join(folder, "dist"), "main.cjs"), expected);
});

test("a bundle that leaves the package out runs the addon that is installed with it", async () => {
  const folder = packed.project("external", {
    ...FILES,
    "a.js": `import { backend } from "chunker-cdc"; import { probe } from "./probe.js";
      probe().then((line) => console.log(line + ", " + backend()));`,
  });
  const [inside, outside] = [join(folder, "inside.js"), join(folder, "outside.js")];
  const common: BuildOptions = {
    absWorkingDir: folder,
    entryPoints: ["a.js"],
    bundle: true,
    platform: "node",
    format: "esm",
  };
  await build({ ...common, outfile: inside });
  await build({ ...common, outfile: outside, external: ["chunker-cdc"] });
  assert.match(await output(folder, "node", outside), /, wasm simd128$/);
  installAddonIn(folder);
  assert.match(await output(folder, "node", outside), /, native \w+$/);
  assert.ok((await output(folder, "node", inside)).startsWith(expected));
});

for (const [name, options] of [
  ["one ES module", { format: "esm" }],
  ["ES modules", { format: "esm", splitting: true }],
  ["one script", { format: "iife" }],
] as const) {
  test(`esbuild, for a page: ${name}`, async () => {
    const out = await bundle(`esbuild ${name}`, { entryPoints: ["main.js"], ...options });
    await using site = await serve(out, { "/": FILES["index.html"] }, ISOLATED);
    // Where they are ES modules, the console says which files are not beside them.
    await shows(site.url, { quiet: options.format === "iife" });
    assertNothingOfNode(out);
  });
}

test("esbuild, for a page in production: fetches the modules, and has no workers", async () => {
  const out = await bundle("esbuild production", {
    entryPoints: ["main.js"],
    format: "esm",
    minify: true,
    conditions: ["production", "module"],
  });
  const dist = join(PACKAGE, "dist");
  for (const name of readdirSync(dist)) {
    if (name.endsWith(".wasm")) cpSync(join(dist, name), join(out, name));
  }
  const script = readFileSync(join(out, "main.js"));
  assert.ok(!script.includes(WASM), "a module is in the script");
  assert.ok(brotliCompressSync(script).length < SCRIPT_LIMIT);
  await using site = await serve(out, { "/": FILES["index.html"] }, ISOLATED);
  assert.match(
    await titleOf(site.url),
    /^chunk: \d+ [0-9a-f]{64}, codecs: 9000000, pool: worker_failed .*, threads: worker_failed /,
  );
});

test("webpack, for a page", async () => {
  const folder = packed.project("webpack", { ...FILES, "a.js": text("page/main.js") });
  await bundleByWebpack(folder);
  const out = join(folder, "dist");
  await using site = await serve(out, { "/": FILES["index.html"] }, ISOLATED);
  await shows(site.url);
  assertNothingOfNode(out);
});

test("Vite's development server", async () => {
  await using server = await startVite(packed.project("vite", FILES));
  await shows(server.url);
});

async function shows(url: string, { quiet } = { quiet: true }): Promise<void> {
  const problems: string[] = [];
  assert.equal(await titleOf(url, problems), expected);
  if (quiet) assert.deepEqual(problems, []);
}

/** Returns the title that a page gives itself; what goes wrong in it is added to `problems`. */
async function titleOf(url: string, problems: string[] = []): Promise<string> {
  const opened = await open(browser, url);
  const { page } = opened;
  await page.waitForFunction(() => document.title !== "" || undefined, null, { timeout: 60_000 });
  problems.push(...opened.problems);
  const title = await page.title();
  await page.close();
  return title;
}

/** Asserts that no script of a page looks for what Node has, or for an addon. */
function assertNothingOfNode(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".js"))) {
    const script = readFileSync(join(folder, name), "utf8");
    assert.doesNotMatch(
      script,
      /createRequire|getBuiltinModule|worker_threads|node:|\.node\b/,
      name,
    );
  }
}
