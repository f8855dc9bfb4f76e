// A server for folders and a headless Chromium that opens its pages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Flags that keep Chromium from looking for hosts that are no part of a test. */
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Site extends AsyncDisposable {
  url: string;
}

/** What makes a page cross-origin isolated. */
export const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Serves the files of `folder` and the given pages, by their paths, on a free port. */
export async function serve(
  folder: string,
  pages: Record<string, string | Uint8Array> = {},
  headers: Record<string, string> = {},
): Promise<Site> {
  const server = createServer(async ({ url = "/" }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    try {
      const body = pages[path] ?? (await readFile(join(folder, normalize(path))));
      const type = TYPES[extname(path) || ".html"] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, ...headers }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

/** Chromium: the one of the environment variable `CHROMIUM`, or that of Debian. */
export const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Starts Chromium. */
export function launch(...flags: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: [...FLAGS, ...flags] });
}

/** Opens a page; what goes wrong in it is collected in `problems`. */
export async function open(
  browser: Browser,
  url: string,
): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  await page.goto(url);
  return { page, problems };
}

/** Asserts that the scripts of a page make `title` its title, and that nothing goes wrong in it. */
export async function assertTitle(browser: Browser, url: string, title: string): Promise<void> {
  const { page, problems } = await open(browser, url);
  await page.waitForFunction(() => document.title !== "" || undefined, null, { timeout: 20_000 });
  assert.equal(await page.title(), title);
  assert.deepEqual(problems, []);
  await page.close();
}
