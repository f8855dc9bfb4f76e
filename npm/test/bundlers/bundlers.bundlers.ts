// The packed tarball with everybody's tools, each without any setting for it: every part of the package
// finds its files.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { ISOLATED, launch, open, serve } from "../chromium.js";
import { output, outputIn, PACKAGE, type Packed, pack } from "../package/packed.js";
import { answers, freePort } from "./servers.js";
import { fileOf, install, projectOf } from "./tools.js";

const VECTORS = join(PACKAGE, "../tests/conformance");
/** Leaves the choice of a back end to the package. */
const { CHUNKER_BACKEND: _, ...withoutChoice } = process.env;

let packed: Packed;
let browser: Browser;
/** What every tool's output has to print. */
let expected: string;

before(async () => {
  packed = await pack();
  install(packed);
  browser = await launch();
  expected = await output(projectOf("runtimes"), "node", "print.js");
  assert.match(
    expected,
    /^chunk: (\d+ [0-9a-f]{64}), codecs: 9000000, pool: \1, threads: \1, dedup: function$/,
  );
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

for (const tool of ["vite5", "vite6", "vite7"]) {
  test(`${tool}: the development server`, async (t) => {
    const folder = projectOf(tool, "page");
    const port = await freePort();
    const vite = fileOf(folder, "vite", "bin/vite.js");
    const server = spawn("node", [vite, "--host", "127.0.0.1", "--port", `${port}`], {
      cwd: folder,
    });
    t.after(() => server.kill());
    await answers(server, port);
    // The addresses of files are wrong there, which the console says.
    await shows(`http://127.0.0.1:${port}/`, { quiet: false });
  });

  test(`${tool}: a build fetches the modules, and carries none`, async () => {
    const folder = projectOf(tool, "page");
    await output(
      folder,
      "node",
      fileOf(folder, "vite", "bin/vite.js"),
      "build",
      "--logLevel",
      "warn",
    );
    const scripts = readdirSync(join(folder, "dist/assets")).filter((name) => name.endsWith(".js"));
    assert.ok(!scripts.some((name) => name.startsWith("chunker")), scripts.join(" "));
    await using site = await serve(join(folder, "dist"), {}, ISOLATED);
    await shows(`${site.url}/index.html`);
  });
}

for (const [tool, external, backend] of [
  // Webpack writes down where the package was, and so the addon is found on the machine that built.
  ["next15", "", /^native/],
  ["next16", "", /^wasm/],
  ["next16", "1", /^native/],
] as const) {
  const how = external ? "left out of the bundle, natively" : "in the bundle";
  test(`${tool}: a page and a route, standalone, ${how}`, async (t) => {
    const folder = projectOf(tool, "next");
    const variables = { NEXT_TELEMETRY_DISABLED: "1", EXTERNAL: external };
    await outputIn(folder, variables, "node", fileOf(folder, "next", "dist/bin/next"), "build");
    // Elsewhere, so that nothing is found but what it holds.
    const away = mkdtempSync(join(tmpdir(), "chunker-next-"));
    t.after(() => rmSync(away, { recursive: true, force: true }));
    cpSync(join(folder, ".next/standalone"), away, { recursive: true, verbatimSymlinks: true });
    cpSync(join(folder, ".next/static"), join(away, tool, ".next/static"), { recursive: true });
    const port = await freePort();
    const env = { ...withoutChoice, ...variables, PORT: `${port}`, HOSTNAME: "127.0.0.1" };
    const server = spawn("node", [join(away, tool, "server.js")], { env });
    t.after(() => server.kill());
    await answers(server, port);
    const route = await fetch(`http://127.0.0.1:${port}/api/chunks`);
    assert.equal(await route.text(), expected);
    assert.match(route.headers.get("x-backend") ?? "", backend);
    await shows(`http://127.0.0.1:${port}/`);
  });
}

for (const runtime of ["bun", "deno"]) {
  for (const backend of ["native", "wasm"]) {
    test(`${runtime}, ${backend}: every part, and all vectors`, async () => {
      const folder = projectOf("runtimes");
      const variables = { CHUNKER_BACKEND: backend, VECTORS };
      const [program, ...args] = runBy(runtime, folder);
      const run = (file: string) => outputIn(folder, variables, program, ...args, file);
      assert.equal(await run("print.js"), expected);
      cpSync(join(PACKAGE, "test-out"), join(folder, "test-out"), { recursive: true });
      console.log(`${runtime}: ${await run("vectors.js")}`);
      if (backend === "native") console.log(`${runtime}: ${await run("store.js")}`);
    });
  }
}

test("bun build: for Node, for Bun, and for a page", async () => {
  const folder = projectOf("runtimes", "page");
  const [bun] = runBy("bun", folder);
  const away = mkdtempSync(join(tmpdir(), "chunker-bun-"));
  for (const target of ["node", "bun"]) {
    await output(folder, bun, "build", "print.js", "--target", target, "--outdir", away);
    assert.equal(await output(away, target === "bun" ? bun : "node", "print.js"), expected);
  }
  await output(folder, bun, "build", "main.js", "--target", "browser", "--outdir", away);
  cpSync(join(folder, "index.html"), join(away, "index.html"));
  await using site = await serve(away, {}, ISOLATED);
  await shows(`${site.url}/index.html`, { quiet: false });
  rmSync(away, { recursive: true, force: true });
});

for (const [environment, file, flags] of [
  ["node", "commonjs.test.cjs", ""],
  ["jsdom", "commonjs.test.cjs", ""],
  ["node", "modules.test.mjs", "--experimental-vm-modules"],
] as const) {
  for (const backend of ["native", "wasm"]) {
    test(`Jest, ${backend}: ${file} in ${environment}`, async () => {
      const folder = projectOf("jest", "jest");
      const jest = fileOf(folder, "jest", "bin/jest.js");
      const variables = { CHUNKER_BACKEND: backend, EXPECTED: expected, NODE_OPTIONS: flags };
      const options = [
        "--ci",
        "--testTimeout=60000",
        `--env=${environment}`,
        `--testMatch=**/${file}`,
      ];
      await outputIn(folder, variables, "node", jest, ...options);
    });
  }
}

/** The program and first arguments that run a script. */
function runBy(runtime: string, folder: string): [program: string, ...args: string[]] {
  const program = join(fileOf(folder, runtime, "."), "../.bin", runtime);
  return runtime === "deno" ? [program, "run", "--allow-all", "--quiet"] : [program];
}

/** Asserts that a page shows what is expected, and, if it is to be quiet, that nothing goes wrong. */
async function shows(url: string, { quiet } = { quiet: true }): Promise<void> {
  const { page, problems } = await open(browser, url);
  await page.waitForFunction(() => document.title !== "" || undefined, null, { timeout: 60_000 });
  assert.equal(await page.title(), expected);
  if (quiet) assert.deepEqual(problems, []);
  await page.close();
}
