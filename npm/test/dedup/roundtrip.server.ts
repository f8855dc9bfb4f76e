// One store, served in turn by the server of CHUNKER_SERVER and by that of this package, and the page in
// Chromium that uploads to both.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DiskChunkStore } from "chunker-cdc/dedup/server";
import type { Browser, Page } from "playwright-core";
import { launch } from "../chromium.js";
import { startElsewhere } from "./servers.js";
import { named, temporaryDirectory } from "./support.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
/** A real file that is on every machine with these tests, as much of it as does not take long. */
const FILE = process.execPath;
const LENGTH = Number(process.env.CHUNKER_ROUNDTRIP_BYTES ?? 32_000_000);
let browser: Browser;

before(async () => {
  execFileSync("node_modules/.bin/tsc", ["-p", "demo"], { cwd: PACKAGE });
  browser = await launch();
});

after(() => browser?.close());

interface Site {
  readonly url: string;
  stop(): Promise<unknown>;
}

async function elsewhere(root: string): Promise<Site> {
  const page: [string, string][] = [
    ["/page/", join(PACKAGE, "demo/page")],
    ["/page/", join(PACKAGE, "demo-out/page")],
    ["/chunker-cdc/", join(PACKAGE, "dist")],
  ];
  const { port, stop } = await startElsewhere({ root, port: 0, page });
  return { url: `http://localhost:${port}`, stop };
}

async function inNode(root: string): Promise<Site> {
  const { startServer } = await import(new URL("../../demo-out/server.js", import.meta.url).href);
  const store = await DiskChunkStore.open(root);
  const { url, close } = await startServer({ store, port: { port: 0, fixed: true } });
  return { url, stop: close };
}

/** Uploads a file on the page of `site`; returns how many chunks were new, and the file's address. */
async function uploadOn(page: Page, site: Site, file: string) {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  await page.goto(site.url);
  await page.setInputFiles("#files", file);
  await page.waitForSelector(".download");
  assert.deepEqual(problems, []);
  return page.evaluate(() => {
    const link = document.querySelector<HTMLAnchorElement>(".download");
    const { pathname, search } = new URL(link?.href ?? "");
    const number = (selector: string) =>
      Number(document.querySelector(selector)?.textContent?.replaceAll(",", ""));
    return { chunks: number(".chunks"), newChunks: number(".new-chunks"), path: pathname + search };
  });
}

async function downloadFrom(page: Page, site: Site, path: string): Promise<Buffer> {
  await page.goto(site.url);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.evaluate((href) => location.assign(href), site.url + path),
  ]);
  return readFile(await download.path());
}

async function openPage(t: TestContext): Promise<Page> {
  const context = await browser.newContext();
  t.after(() => context.close());
  return context.newPage();
}

test("what one server has received, the other gives and does not ask for again", async (t) => {
  const root = await temporaryDirectory(t);
  const original = (await readFile(FILE)).subarray(0, LENGTH);
  const middle = Math.floor(original.length / 2);
  const edited = Buffer.concat([
    original.subarray(0, middle),
    Buffer.from("inserted"),
    original.subarray(middle),
  ]);
  const directory = await temporaryDirectory(t);
  const [first, second] = [join(directory, "original.bin"), join(directory, "edited.bin")];
  await writeFile(first, original);
  await writeFile(second, edited);

  let site = await elsewhere(root);
  const received = await uploadOn(await openPage(t), site, first);
  assert.equal(received.newChunks, received.chunks);
  await site.stop();

  site = await inNode(root);
  assert.ok(original.equals(await downloadFrom(await openPage(t), site, received.path)));
  const again = await uploadOn(await openPage(t), site, second);
  assert.ok(again.newChunks >= 1 && again.newChunks <= 2, `${again.newChunks} new chunks`);
  await site.stop();

  site = await elsewhere(root);
  assert.ok(edited.equals(await downloadFrom(await openPage(t), site, again.path)));
  assert.ok(original.equals(await downloadFrom(await openPage(t), site, received.path)));
  const known = await uploadOn(await openPage(t), site, second);
  assert.equal(known.newChunks, 0);
  await site.stop();

  const files = await named(root);
  assert.equal(files.length, received.chunks + again.newChunks + 2, "chunks and two manifests");
  t.diagnostic(
    `${original.length} bytes in ${received.chunks} chunks to the one, ${again.newChunks} chunks of an ` +
      "edited copy to the other; all four downloads are byte for byte what was uploaded",
  );
});
