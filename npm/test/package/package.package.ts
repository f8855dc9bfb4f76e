// The packed tarball works wherever the README says so.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { assertTitle, launch, serve } from "../chromium.js";
import { RESOLUTIONS, typeScriptProject } from "./consumer.js";
import { bundleByWebpack, output, PACKAGE, type Packed, pack, tool } from "./packed.js";

/** What the default module and the threaded one may weigh with brotli, in bytes. */
const SIZE_LIMIT = 30_000;
const THREADS_SIZE_LIMIT = 52_000;

/** Prints one line that depends on cut points, digests and the profile. */
const BODY = `
const data = new Uint8Array(3_000_000).map((_, i) => (i * i) >> 7);
const fields = { minSize: 4096, avgSize: 16384, maxSize: 65536, level: 2, seed: 2n ** 64n - 1n, hash: "blake3" };
const found = await chunk(data, { profile: fields });
const manifest = Manifest.create(await profile(fields), found);
const line = found.length + " chunks, " + manifest.rootDigestHex + ", " + await profile();
let code;
try { await chunk(5) } catch (error) { code = error instanceof ChunkerError && error.code }
`;
/** Prints one line that depends on a codec, a signature and base32. */
const CODECS_BODY = `
const data = new Uint8Array(100_000).map((_, i) => (i * i) >> 7);
const packed = await compress("xz", data, { level: 1 });
const content = await decompressAuto(packed);
const stream = new Blob([packed]).stream().pipeThrough(new DecompressTransform("xz"));
const streamed = new Uint8Array(await new Response(stream).arrayBuffer());
const same = [content, streamed].every((bytes) => bytes.length === data.length && bytes.every((byte, i) => byte === data[i]));
const signature = await sign(data, new Uint8Array(32));
const line = same + ", " + await nixBase32Encode(signature);
let code;
try { await decompress("zstd", packed) } catch (error) { code = error instanceof ChunkerError && error.code }
`;
const CODECS_NAMES =
  "ChunkerError, compress, decompress, DecompressTransform, decompressAuto, nixBase32Encode, sign";
const NAMES = "chunk, ChunkerError, Manifest, profile";
const PRINT = "console.log(line + ', ' + code);";
const PUT = "document.title = line + ', ' + code;";

let packed: Packed;
let browser: Browser;
/** What every environment must print. */
let expected: string;
/** What the codecs must print. */
let expectedOfCodecs: string;

before(async () => {
  packed = await pack();
  browser = await launch();
  const folder = packed.project("reference", { "a.mjs": esm("chunker-cdc", PRINT) });
  expected = await output(folder, "node", "a.mjs");
  const codecs = packed.project("reference of codecs", { "a.mjs": codecsEsm(PRINT) });
  expectedOfCodecs = await output(codecs, "node", "a.mjs");
  assert.match(expectedOfCodecs, /^true, [0-9a-z]{103}, zstd_decompression_failed$/);
  assert.match(expected, /^\d+ chunks, [0-9a-f]{64}, fastcdc-v2020\S+, invalid_argument$/);
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

function esm(from: string, end: string): string {
  return `import { ${NAMES} } from "${from}";\n${BODY}${end}\n`;
}

function codecsEsm(end: string): string {
  return `import { ${CODECS_NAMES} } from "chunker-cdc/codecs";\n${CODECS_BODY}${end}\n`;
}

test("the tarball holds what is needed and nothing else", () => {
  const wanted =
    /^(dist\/.+\.(js|d\.ts|wasm)|dist\/inline\/.+\.cjs|dist\/cjs\/package\.json|package\.json|README\.md|LICENSE-(MIT|APACHE))$/;
  assert.deepEqual(
    packed.files.filter((file) => !wanted.test(file)),
    [],
  );
  const exported: string[] = [];
  JSON.stringify(
    JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")).exports,
    (_, value) => {
      if (typeof value === "string" && value !== "./package.json") exported.push(value.slice(2));
      return value;
    },
  );
  assert.deepEqual(
    exported.filter((file) => !packed.files.includes(file)),
    [],
  );
  for (const license of ["LICENSE-MIT", "LICENSE-APACHE"])
    assert.ok(packed.files.includes(license));
  const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB`;
  console.log(`package: tarball ${kb(packed.size)}, unpacked ${kb(packed.unpackedSize)}`);
});

test("the declarations need no generic Uint8Array, which TypeScript has since 5.7", () => {
  const declarations = packed.files.filter((file) => file.endsWith(".d.ts"));
  assert.ok(declarations.length > 0);
  assert.deepEqual(
    declarations.filter((file) => /Uint8Array</.test(readFileSync(join(PACKAGE, file), "utf8"))),
    [],
  );
});

test("the default module is at most 30 KB with brotli", async () => {
  const dist = (name: string) => join(PACKAGE, "dist", name);
  const { outputFiles } = await build({
    entryPoints: [dist("index.browser.js")],
    bundle: true,
    conditions: ["production"],
    format: "esm",
    minify: true,
    write: false,
  });
  const script = Buffer.from(outputFiles[0]?.contents ?? []);
  for (const name of ["chunker.wasm", "chunker-simd128.wasm"]) {
    const wasm = readFileSync(dist(name));
    const brotli = weigh(`${name} + glue`, wasm, readFileSync(dist("glue.js")));
    assert.ok(brotli <= SIZE_LIMIT, `${name}: ${brotli} bytes, the limit is ${SIZE_LIMIT}`);
    weigh(`${name} + all JavaScript, minified`, wasm, script);
  }
  weigh(
    "chunker-codecs.wasm + glue",
    readFileSync(dist("chunker-codecs.wasm")),
    readFileSync(dist("codecs/glue.js")),
  );
});

test("the threaded module is at most 52 KB with brotli", () => {
  const files = ["chunker-threads.wasm", "threads/glue.js"];
  const contents = files.map((name) => readFileSync(join(PACKAGE, "dist", name)));
  const brotli = weigh("chunker-threads.wasm + glue", ...contents);
  assert.ok(brotli <= THREADS_SIZE_LIMIT, `${brotli} bytes, the limit is ${THREADS_SIZE_LIMIT}`);
});

/** Prints what files weigh together, and returns their bytes with brotli. */
function weigh(name: string, ...files: Buffer[]): number {
  const sum = (size: (file: Buffer) => Buffer) =>
    files.reduce((all, file) => all + size(file).length, 0);
  const brotli = sum((file) => brotliCompressSync(file));
  const gzip = sum((file) => gzipSync(file, { level: 9 }));
  console.log(`size: ${name}: raw ${sum((file) => file)}, gzip ${gzip}, brotli ${brotli} bytes`);
  return brotli;
}

for (const from of ["chunker-cdc", "chunker-cdc/inline"]) {
  test(`Node ESM: ${from}`, async () => {
    const init = from.endsWith("inline") ? `import { ready } from "${from}"; await ready();\n` : "";
    const folder = packed.project(`esm-${init.length}`, { "a.mjs": init + esm(from, PRINT) });
    assert.equal(await output(folder, "node", "a.mjs"), expected);
  });

  test(`Node CommonJS: ${from}`, async () => {
    const text = `const { ready, ${NAMES} } = require("${from}");
      (async () => { await ready(); ${BODY}${PRINT} })();`;
    const folder = packed.project(`cjs-${from.length}`, { "a.cjs": text });
    assert.equal(await output(folder, "node", "a.cjs"), expected);
  });
}

test("Node CommonJS: chunker-cdc/codecs", async () => {
  const text = `const { ${CODECS_NAMES} } = require("chunker-cdc/codecs");
    (async () => { ${CODECS_BODY}${PRINT} })();`;
  const folder = packed.project("cjs-codecs", { "a.cjs": text });
  assert.equal(await output(folder, "node", "a.cjs"), expectedOfCodecs);
});

test("Node: handles work at once, and every entry can be imported and required", async () => {
  const folder = packed.project("entries", {
    "a.mjs": `import { Chunker } from "chunker-cdc"; new Chunker().finish();
      import { NixSecretKey } from "chunker-cdc/codecs";
      NixSecretKey.create("a", new Uint8Array(32)).publicKey.toString();
      import * as dedup from "chunker-cdc/dedup"; import * as server from "chunker-cdc/dedup/server";
      console.log(typeof dedup.upload, typeof server.Store);`,
    "a.cjs": `const { Chunker } = require("chunker-cdc"); new Chunker().finish();
      require("chunker-cdc/codecs").NixSecretKey.create("a", new Uint8Array(32)).publicKey.toString();
      const dedup = require("chunker-cdc/dedup"), server = require("chunker-cdc/dedup/server");
      console.log(typeof dedup.upload, typeof server.Store);`,
  });
  for (const file of ["a.mjs", "a.cjs"]) {
    assert.equal(await output(folder, "node", file), "function function");
  }
});

for (const [name, options, file, text] of RESOLUTIONS) {
  test(`TypeScript, strict, libraries checked: ${name}`, async () => {
    const folder = packed.project(`ts ${name}`, typeScriptProject(options, file, text));
    await output(folder, tool("tsc"), "-p", ".");
  });
}

test("the README's examples of chunks and codecs", async () => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, example = ""]) => example);
  const of = (entry: string) => examples.find((example) => example.includes(`from "${entry}"`));
  const [chunking, codecs] = [of("chunker-cdc"), of("chunker-cdc/codecs")];
  const manifests = examples.find((example) => example.includes("reassemble"));
  const profiles = examples
    .find((example) => example.includes("remoteExecutionProfile"))
    ?.replaceAll(/^(await .*); \/\/ (".*")$/gm, "console.log(($1) === $2);");
  const folder = packed.project("readme", {
    "a.mjs": `import { openAsBlob } from "node:fs"; const file = await openAsBlob("a.mjs");\n${chunking}`,
    "b.mjs": `import { compress as by, verify } from "chunker-cdc/codecs";
      const data = new Uint8Array(9); const response = new Response(await by("xz", data));
      ${codecs}
      await verify(data, signature, publicKey);
      console.log(compressed.length, (await new Response(content).arrayBuffer()).byteLength);`,
    "c.mjs": profiles ?? "",
    "d.mjs": `import { openAsBlob } from "node:fs"; const file = await openAsBlob("d.mjs");\n${manifests}`,
  });
  assert.match(await output(folder, "node", "a.mjs"), /^[0-9a-f]{64} 0 \d+$/);
  assert.match(await output(folder, "node", "b.mjs"), /^\d+ 9$/);
  assert.equal(await output(folder, "node", "c.mjs"), "true\ntrue\ntrue");
  assert.match(await output(folder, "node", "d.mjs"), /^\d+ checked bytes of [0-9a-f]{64}$/);
});

test("a plain page with the README's import map", async () => {
  const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const [, listed = ""] = /<script type="importmap">(.*?)<\/script>/s.exec(readme) ?? [];
  const { imports } = JSON.parse(listed);
  const inline = "/node_modules/chunker-cdc/dist/inline.js";
  const map = { imports: { ...imports, "chunker-cdc/inline": inline } };
  const document = (script: string) => `<!doctype html><link rel="icon" href="data:,">
    <script type="importmap">${JSON.stringify(map)}</script>
    <script type="module">${script}</script>`;
  const page = (from: string) => document(esm(from, PUT));
  const folder = packed.project("plain", {
    "default.html": page("chunker-cdc"),
    "inline.html": page("chunker-cdc/inline"),
    "codecs.html": document(codecsEsm(PUT)),
    "dedup.html": document(`
      import { upload } from "chunker-cdc/dedup"; document.title = typeof upload;`),
  });
  await shows(folder, "dedup.html", "function");
  for (const path of ["default.html", "inline.html"]) await shows(folder, path);
  await shows(folder, "codecs.html", expectedOfCodecs);
});

test("a page that Vite builds", async () => {
  const folder = packed.project("vite", {
    "index.html": `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/a.js"></script>`,
    "a.js": esm("chunker-cdc", PUT),
    "package.json": `{ "type": "module" }`,
  });
  await output(folder, tool("vite"), "build", "--logLevel", "warn");
  await shows(join(folder, "dist"), "index.html");
});

test("a page that Vite builds loads the codecs when it uses them", async () => {
  const lazy = `const { ${CODECS_NAMES} } = await import("chunker-cdc/codecs");\n${CODECS_BODY}${PUT}\n`;
  const folder = packed.project("vite-codecs", {
    "index.html": `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/a.js"></script>`,
    "a.js": `(async () => { ${lazy} })();`,
    "package.json": `{ "type": "module" }`,
  });
  await output(folder, tool("vite"), "build", "--logLevel", "warn");
  await shows(join(folder, "dist"), "index.html", expectedOfCodecs);
});

test("a page that webpack bundles, and loads the codecs when it uses them", async () => {
  const page = `<!doctype html><link rel="icon" href="data:,"><script src="/main.js"></script>`;
  const lazy = `const { ${CODECS_NAMES} } = await import("chunker-cdc/codecs");\n${CODECS_BODY}${PUT}\n`;
  for (const [name, script, wanted] of [
    ["webpack", esm("chunker-cdc", PUT), expected],
    ["webpack-codecs", `(async () => { ${lazy} })();`, expectedOfCodecs],
  ] as const) {
    const folder = packed.project(name, {
      "a.js": script,
      "dist/index.html": page,
      "package.json": `{ "type": "module" }`,
    });
    await bundleByWebpack(folder);
    await shows(join(folder, "dist"), "index.html", wanted);
  }
});

/** Opens a page of `folder` and asserts that it computes what Node does. */
async function shows(folder: string, path: string, wanted = expected): Promise<void> {
  await using site = await serve(folder);
  await assertTitle(browser, `${site.url}/${path}`, wanted);
}
