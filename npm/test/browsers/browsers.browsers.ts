// The package in browsers other than Chromium: those that are installed, or those that BROWSERS names. The
// page reports to its server, so that a browser needs nothing but a command.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { delimiter, extname, join, normalize } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { VECTORS } from "../builds.js";
import { ISOLATED } from "../chromium.js";
import { VECTORS as CODECS } from "../codecs/conformance.js";
import { MemoryServer } from "../dedup/memory-server.js";
import { temporaryDirectory } from "../dedup/support.js";
import { type Outcome, SUITES } from "./page.js";

/** How a browser is started with an empty profile in `folder`, if it is installed. */
interface Starter {
  readonly how: string;
  command(folder: string, url: string): string[] | undefined;
}

/** Keeps Firefox from showing pages of its own, and from looking for hosts that are no part of a test. */
const FIREFOX = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.enabled": false,
};

const BROWSERS: Record<string, Starter> = {
  firefox: {
    how: "Debian: apt install firefox-esr",
    command(folder, url) {
      const program = found("firefox-esr", "firefox");
      const preferences = Object.entries(FIREFOX).map(
        ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`,
      );
      writeFileSync(join(folder, "user.js"), preferences.join(""));
      if (program === undefined) return undefined;
      return [program, "--headless", "--no-remote", "--profile", folder, url];
    },
  },
  webkitgtk: {
    how: "Debian: apt install libwebkit2gtk-4.1-0 xvfb xauth",
    command(_, url) {
      const folders = readdirSync("/usr/lib").map((name) => join("/usr/lib", name));
      const programs = ["/usr/libexec", "/usr/lib", ...folders].map((folder) =>
        join(folder, "webkit2gtk-4.1/MiniBrowser"),
      );
      const program = programs.find((path) => existsSync(path));
      const display = found("xvfb-run");
      return program && display ? [display, "--auto-servernum", program, url] : undefined;
    },
  },
};

/** Returns the path of the first of these programs that there is. */
function found(...programs: string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = programs.flatMap((program) => folders.map((folder) => join(folder, program)));
  return paths.find((path) => existsSync(path));
}

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
const IMPORTS = {
  imports: {
    "chunker-cdc": "/dist/index.browser.js",
    "chunker-cdc/codecs": "/dist/codecs/index.browser.js",
    "chunker-cdc/pool": "/dist/pool/index.browser.js",
  },
};
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORTS)}</script>
<script type="module">import { run } from "/test-out/browsers/page.js"; run();</script>`;
const PAGES: Record<string, string | Buffer> = {
  "/": PAGE,
  "/vectors.json": readFileSync(VECTORS),
  "/codecs.json": readFileSync(CODECS),
};

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const file = join(PACKAGE, normalize(path));
  const body = PAGES[path] ?? (await readFile(file).catch(() => undefined));
  const type = TYPES[extname(path) || ".html"] ?? "application/octet-stream";
  response.writeHead(body === undefined ? 404 : 200, { "content-type": type, ...ISOLATED });
  response.end(body);
}

/** Serves the page beside the protocol; `report` is given each outcome, and returns the next suite. */
async function listen(
  t: TestContext,
  report: (outcome: Outcome & { suite: string }) => string,
): Promise<string> {
  const server = await MemoryServer.listen(t);
  server.fault = async ({ path }, request, response) => {
    if (path.startsWith("/v1")) return;
    if (path !== "/outcome") return sendFile(new URL(path, "http://localhost").pathname, response);
    const body: Uint8Array[] = [];
    for await (const piece of request) body.push(piece);
    response.end(report(JSON.parse(Buffer.concat(body).toString())));
  };
  return `http://localhost:${server.port}/`;
}

const wanted = process.env.BROWSERS?.split(" ");
let started = 0;

for (const [name, { how, command }] of Object.entries(BROWSERS)) {
  if (wanted?.includes(name) === false) continue;
  test(name, { timeout: 900_000 }, async (t) => {
    const suites = Object.keys(SUITES);
    const problems: string[] = [];
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const url = await listen(t, ({ suite, lines, problems: found }) => {
      for (const line of [...lines, ...found]) console.log(line);
      problems.push(...found);
      const next = suites[suites.indexOf(suite) + 1] ?? "";
      if (next === "") finish();
      return next;
    });
    const folder = join(await temporaryDirectory(), "profile");
    mkdirSync(folder);
    const [program, ...args] = command(folder, `${url}?browser=${name}&suite=${suites[0]}`) ?? [];
    if (program === undefined) {
      if (wanted) assert.fail(`${name} is not installed (${how})`);
      return t.skip(`it is not installed (${how})`);
    }
    started += 1;
    // A group of its own ends as a whole.
    const browser = spawn(program, args, { detached: true, stdio: "ignore" });
    const ended = new Promise<never>((_, reject) => {
      browser.on("error", reject);
      browser.on("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    });
    ended.catch(() => {});
    try {
      await Promise.race([finished, ended]);
    } finally {
      if (browser.pid !== undefined) process.kill(-browser.pid);
    }
    assert.deepEqual(problems, []);
  });
}

test("at least one browser is installed", () => assert.ok(started > 0));
