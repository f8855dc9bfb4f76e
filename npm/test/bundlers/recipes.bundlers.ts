// Every recipe of docs/recipes.md works exactly as printed there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import { createUploadHandler } from "chunker-cdc/dedup/server";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { launch, open } from "../chromium.js";
import { output, PACKAGE, type Packed, pack } from "../package/packed.js";
import { answers, freePort } from "./servers.js";
import { fileOf, install, projectOf } from "./tools.js";

const TEXT = readFileSync(join(PACKAGE, "../docs/recipes.md"), "utf8");
const BLOCKS = [...TEXT.matchAll(/^```(\w+) ?(\S*)\n(.*?)^```$/gms)].map(
  ([, language = "", path = "", code = ""]) => ({ language, path, code }),
);

let packed: Packed;
let browser: Browser;

before(async () => {
  packed = await pack();
  install(packed);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  packed?.[Symbol.dispose]();
});

/** Writes the files of a recipe into a folder. */
function cook(recipe: string, folder: string): string {
  const files = BLOCKS.filter(({ path }) => path.startsWith(`${recipe}/`));
  assert.notEqual(files.length, 0);
  for (const { path, code } of files) {
    const file = join(folder, path.slice(recipe.length + 1));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
  return folder;
}

/** Returns the only block of a language. */
function only(language: string): string {
  const [block, ...more] = BLOCKS.filter((each) => each.language === language);
  assert.ok(block !== undefined && more.length === 0);
  return block.code;
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "chunker-recipe-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file goes to the server at `baseUrl` and comes back. */
async function roundTrip(baseUrl: string): Promise<string> {
  const data = randomBytes(5_000_000);
  const transport = new HttpTransport({ baseUrl });
  const { root } = await upload(data, { transport });
  const pieces: Uint8Array[] = [];
  for await (const piece of download(root, { transport })) pieces.push(piece);
  assert.ok(data.equals(Buffer.concat(pieces)));
  return root;
}

/** Serves until the test has ended; returns the port. */
async function listening(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

/** Bundles a script of a page into one file, with the modules that it fetches beside it. */
async function bundle(folder: string, name: string): Promise<void> {
  await build({
    absWorkingDir: folder,
    entryPoints: [name],
    outfile: name,
    allowOverwrite: true,
    bundle: true,
    format: "esm",
  });
  for (const module of ["chunker.wasm", "chunker-simd128.wasm"]) {
    cpSync(join(folder, "node_modules/chunker-cdc/dist", module), join(folder, module));
  }
}

/** Serves the files of a page as the recipe for its policy says, and a store at `/store`. */
async function site(t: TestContext, folder: string): Promise<string> {
  const upload = createUploadHandler({ store: temporary(t), prefix: "/store" });
  const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
  const port = await listening(t, (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    if (pathname.startsWith("/store/")) return void upload(request, response);
    const file = join(folder, pathname === "/" ? "index.html" : pathname);
    response.setHeader("content-security-policy", only("text").trim());
    response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
    try {
      response.end(readFileSync(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  return `http://127.0.0.1:${port}`;
}

for (const recipe of ["express", "hono"]) {
  test(recipe, async (t) => {
    const folder = cook(recipe, projectOf("recipes"));
    const port = await freePort();
    const env = { ...process.env, STORE: temporary(t), PORT: `${port}` };
    const server = spawn("node", ["server.mjs"], { cwd: folder, env, stdio: "inherit" });
    t.after(() => server.kill("SIGKILL"));
    await answers(server, port);
    await roundTrip(`http://127.0.0.1:${port}/store`);
  });
}

test("Next.js: the route and the page", async (t) => {
  const folder = projectOf("next16");
  rmSync(join(folder, "app"), { recursive: true, force: true });
  cook("next", folder);
  const layout =
    "export default ({ children }) => <html lang='en'><body>{children}</body></html>;\n";
  writeFileSync(join(folder, "app/layout.js"), layout);
  t.after(() => rmSync(join(folder, "app"), { recursive: true, force: true }));
  const next = fileOf(folder, "next", "dist/bin/next");
  await output(folder, "node", next, "build");
  const port = await freePort();
  const env = { ...process.env, STORE: temporary(t), NEXT_TELEMETRY_DISABLED: "1" };
  const server = spawn("node", [next, "start", "--port", `${port}`], { cwd: folder, env });
  t.after(() => server.kill());
  await answers(server, port);
  await roundTrip(`http://127.0.0.1:${port}/store`);
  const { page, problems } = await open(browser, `http://127.0.0.1:${port}/`);
  const file = { name: "a", mimeType: "", buffer: randomBytes(1_000_000) };
  await page.setInputFiles("input", file);
  await page.waitForFunction(() =>
    document.querySelector("output")?.textContent?.includes("sha256-"),
  );
  // There is no icon.
  assert.deepEqual(
    problems.filter((problem) => !problem.includes("404")),
    [],
  );
  await page.close();
});

test("a token, and pages of another origin", async (t) => {
  const folder = cook("token", projectOf("recipes"));
  const secrets = { ...process.env, TOKEN: "secret" };
  const env = { ...secrets, STORE: temporary(t) };
  const server = spawn("node", ["server.mjs"], { cwd: folder, env });
  t.after(() => server.kill());
  const [line] = await once(server.stdout, "data");
  const url = String(line).trim();
  const data = randomBytes(3_000_000);
  const client = spawn("node", ["client.mjs"], { cwd: folder, env: { ...secrets, SERVER: url } });
  client.stdin.end(data);
  const pieces: Buffer[] = [];
  for await (const piece of client.stdout) pieces.push(piece);
  assert.ok(data.equals(Buffer.concat(pieces)));
  const stranger = new HttpTransport({ baseUrl: url });
  await assert.rejects(upload(data, { transport: stranger }), { code: "unauthorized" });
  const headers = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
  };
  const preflight = await fetch(`${url}/v1/packs/sha256`, { method: "OPTIONS", headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
});

test("a page that pauses, within its content security policy", async (t) => {
  const folder = cook("page", packed.project("page of a recipe", {}));
  await bundle(folder, "main.js");
  const { page } = await open(browser, `${await site(t, folder)}/`);
  const file = { name: "a", mimeType: "", buffer: randomBytes(40_000_000) };
  await page.setInputFiles("input", file);
  await page.click("#pause");
  await page.waitForTimeout(1000);
  assert.equal(await page.textContent("output"), "");
  await page.click("#pause");
  await page.waitForFunction(() => document.querySelector("output")?.value.startsWith("sha256-"));
  await page.close();
});

test("a service worker", async (t) => {
  const folder = cook("worker", packed.project("worker of a recipe", {}));
  await bundle(folder, "sw.js");
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>Worker</title>");
  const { page } = await open(browser, `${await site(t, folder)}/`);
  const answer = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.register("sw.js", { type: "module" });
    await navigator.serviceWorker.ready;
    const answered = new Promise((resolve) => {
      navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
    });
    registration.active?.postMessage({ file: new File([new Uint8Array(3_000_000)], "a") });
    return answered;
  });
  assert.match((answer as { root: string }).root, /^sha256-[0-9a-f]{64}$/);
  await page.close();
});

test("nginx", async (t) => {
  const store = temporary(t);
  const upstream = await listening(t, createUploadHandler({ store, prefix: "/store" }));
  const folder = temporary(t);
  const port = await freePort();
  const location = only("nginx").replace(":7117", `:${upstream}`);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = `daemon off; pid ${folder}/pid; error_log ${folder}/errors;
    events {}
    http {
      access_log off;
      ${paths.map((path) => `${path}_temp_path ${folder}/${path};`).join(" ")}
      server { listen 127.0.0.1:${port}; ${location} }
    }`;
  writeFileSync(join(folder, "nginx.conf"), configuration);
  const nginx = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]);
  t.after(() => nginx.kill());
  await answers(nginx, port);
  await roundTrip(`http://127.0.0.1:${port}/store`);
});
