// Builds dist/ from wasm-out/ (made by `cargo xtask wasm`) and src/. If wasm-out/ lacks the module for threads or
// for debugging, dist/ lacks that part of src/ as well: enough for `make demo`, but not for a package.
//
//   dist/*.wasm        the modules, optimized by wasm-opt
//   dist/*.js          ES modules, one for each source file; *.d.ts beside them
//   dist/cjs/*.js      the same as CommonJS, for `require` in Node
//   dist/inline/*.cjs  modules and scripts of workers as texts: `#inline/…`, see `imports` of package.json

import { execFile, execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** The modules, the features that each may use, and whether `inline.ts` has it. */
const MODULES = {
  chunker: { features: [], inlined: true },
  "chunker-simd128": { features: ["--enable-simd"], inlined: true },
  "chunker-codecs": { features: [], inlined: false },
  "chunker-threads": { features: ["--enable-simd", "--enable-threads"], inlined: false },
  "chunker-debug": { features: ["--enable-simd"], inlined: false },
};
/** The files that wasm-bindgen's JavaScript is bundled into. */
const GLUE = {
  "bindgen.js": "dist/glue.js",
  "codecs-bindgen.js": "dist/codecs/glue.js",
  "threads-bindgen.js": "dist/threads/glue.js",
  "debug-bindgen.js": "dist/debug/glue.js",
};
/** The glue's import of wasm-bindgen-rayon's script that starts workers, and our replacement. */
const START_WORKERS = [
  /\/snippets\/wasm-bindgen-rayon-.*\/workerHelpers\.js$/,
  "./start-workers.js",
];
/** Scripts of workers, and what they are made of. That of Node has no other form. */
const WORKERS = {
  "pool-worker.browser": "dist/pool/worker.browser.js",
  "pool-worker.node": "dist/pool/worker.node.js",
  "threads-member.browser": "dist/threads/member.browser.js",
  "threads-member.node": "dist/threads/member.node.js",
};
/** Globals of Node that test runners hide where they imitate a page, and the modules that have them. */
const GLOBALS = [
  ["TextDecoder", "node:util"],
  ["TextEncoder", "node:util"],
  ["TransformStream", "node:stream/web"],
];

/** What rustc's default target uses; wasm-opt would refuse the module without them. */
const FEATURES = [
  "--enable-bulk-memory",
  "--enable-multivalue",
  "--enable-mutable-globals",
  "--enable-nontrapping-float-to-int",
  "--enable-reference-types",
  "--enable-sign-ext",
];

/**
 * What has one caller is inlined only if it is this small: the compiler knows better. The scan with a seed
 * in one function with the one without, which nearly everybody uses, slows that down by 4 %.
 */
const APART = ["--one-caller-inline-max-function-size=50"];

if (!existsSync("wasm-out/bindgen.js")) {
  console.error("wasm-out/ is missing: run `cargo xtask wasm` first");
  process.exit(1);
}
/** Optional parts of src/ whose module is missing. */
const leftOut = ["threads", "debug"].filter((part) => !existsSync(`wasm-out/chunker-${part}.wasm`));
for (const part of leftOut) {
  console.log(`build: dist/ will lack ${part}, since wasm-out/ has no chunker-${part}.wasm`);
  for (const table of [MODULES, GLUE, WORKERS]) {
    for (const name of Object.keys(table)) if (name.includes(part)) delete table[name];
  }
}
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
writeFileSync("wasm-out/version.js", `export const VERSION = "${version}";\n`);
writeFileSync("wasm-out/version.d.ts", `export declare const VERSION: "${version}";\n`);
rmSync("dist", { recursive: true, force: true });
for (const folder of ["cjs", "inline"]) mkdirSync(`dist/${folder}`, { recursive: true });
await Promise.all(Object.keys(MODULES).map(optimizeModule));
compileSources();
await bundleGenerated();
await inlineWorkers();
await emitCommonJs();
for (const license of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(join("..", license), license);

/** Optimizes a module, and writes it as a text too; one of `inline.ts` as a JavaScript module. */
async function optimizeModule(name) {
  const { features, inlined } = MODULES[name];
  const [from, to] = [`wasm-out/${name}.wasm`, `dist/${name}.wasm`];
  const options = [...APART, "-O3", "--converge", ...FEATURES, ...features];
  await promisify(execFile)("node_modules/.bin/wasm-opt", [...options, from, "-o", to]);
  const bytes = readFileSync(to);
  inline(name, gzipSync(bytes, { level: 9 }).toString("base64"));
  if (!inlined) return;
  const base64 = bytes.toString("base64");
  writeFileSync(`wasm-out/${name}.wasm.js`, `export const base64 = "${base64}";\n`);
  writeFileSync(`wasm-out/${name}.wasm.d.ts`, "export declare const base64: string;\n");
}

/** Compiles src/ without the parts that are left out. */
function compileSources() {
  const exclude = leftOut.map((part) => `../src/${part}`);
  const config = { extends: "../tsconfig.json", include: ["../src"], exclude };
  writeFileSync("wasm-out/tsconfig.json", JSON.stringify(config));
  tool("tsc", "-p", "wasm-out");
}

/** Writes what `import("#inline/…")` finds. */
function inline(name, text) {
  writeFileSync(`dist/inline/${name}.cjs`, `exports.text = ${JSON.stringify(text)};\n`);
}

/** Bundles the scripts of workers into texts. */
async function inlineWorkers() {
  for (const [name, file] of Object.entries(WORKERS)) {
    const inNode = name.endsWith(".node");
    const { outputFiles } = await esbuild.build({
      entryPoints: [file],
      write: false,
      bundle: true,
      minify: true,
      format: inNode ? "cjs" : "iife",
      platform: inNode ? "node" : "browser",
      target: inNode ? "node20" : "es2022",
      logLevel: "warning",
    });
    inline(name, outputFiles[0].text);
    if (inNode) for (const ending of [".js", ".d.ts"]) rmSync(file.replace(/\.js$/, ending));
  }
  // What a bundle for production has in their place, as it has the files.
  inline("none", "");
}

/** Adds what tsc only reads: the version, wasm-bindgen's JavaScript, small, and the inlined modules. */
async function bundleGenerated() {
  const names = Object.keys(MODULES).filter((name) => MODULES[name].inlined);
  const modules = names.map((name) => `${name}.wasm.js`);
  const files = ["version.js", ...modules, ...Object.keys(GLUE)];
  for (const file of files) {
    copyFileSync(`wasm-out/${file}`, `dist/${file}`);
    const types = file.replace(/js$/, "d.ts");
    copyFileSync(`wasm-out/${types}`, `dist/${types}`);
  }
  for (const [generated, file] of Object.entries(GLUE)) {
    await esbuild.build({
      entryPoints: [file],
      outfile: file,
      allowOverwrite: true,
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      plugins: [{ name: "workers", setup: replaceStarter }],
      logLevel: "warning",
    });
    rmSync(`dist/${generated}`);
  }
}

/** Replaces the script, and keeps ours out of the bundle: members of a team import the same instance. */
function replaceStarter(build) {
  const [filter, path] = START_WORKERS;
  build.onResolve({ filter }, () => ({ path, external: true }));
}

/** Emits what Node can require; browsers take the ES modules. */
async function emitCommonJs() {
  const [modules, declarations] = [emitted(".js"), emitted(".d.ts")];
  await esbuild.build({
    entryPoints: modules,
    outbase: "dist",
    outdir: "dist/cjs",
    format: "cjs",
    platform: "node",
    target: "node20",
    // A file's URL is that of the ES module it was made from: assets are beside that one.
    define: { "import.meta.url": "importMetaUrl" },
    plugins: [{ name: "paths", setup: adaptPaths }],
    logLevel: "warning",
  });
  writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
  for (const file of declarations) {
    const copy = join("dist/cjs", file.slice("dist/".length));
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
  }
}

function adaptPaths(build) {
  build.onLoad({ filter: /\.js$/ }, ({ path }) => {
    const esm = path.slice(join(root, "dist/").length);
    const up = "../".repeat(esm.split("/").length);
    // dist/cjs is a package of its own, without `imports`.
    const source = readFileSync(path, "utf8").replace(/"#inline\/(.*?)"/g, `"${up}inline/$1.cjs"`);
    const globals = GLOBALS.filter(([name]) => source.includes(name))
      .map(([name, from]) => `import { ${name} } from "${from}";\n`)
      .join("");
    const contents = globals + source;
    if (!contents.includes("import.meta.url")) return { contents };
    const url = `require("node:url").pathToFileURL(require("node:path").join(__dirname, "${up}${esm}")).href`;
    return { contents: `const importMetaUrl = ${url};\n${contents}` };
  });
}

/** The files of dist/ with this ending, without those for browsers. */
function emitted(ending) {
  const files = readdirSync("dist", { recursive: true });
  return files
    .filter((file) => file.endsWith(ending) && !file.includes(".browser."))
    .map((file) => join("dist", file));
}

function tool(name, ...args) {
  execFileSync(join("node_modules/.bin", name), args, { stdio: "inherit" });
}
