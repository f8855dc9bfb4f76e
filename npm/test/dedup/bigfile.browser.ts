// A file larger than the page may hold: CHUNKER_BIGFILE_BYTES of it, 6 GB by `npm run test:bigfile`. After
// CHUNKER_BIGFILE_DISTINCT bytes it repeats itself, so that a small disk holds it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Store } from "chunker-cdc/dedup/server";
import type { Browser, CDPSession, Page } from "playwright-core";
import { launch } from "../chromium.js";
import { temporaryDirectory } from "./support.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const SIZE = Number(process.env.CHUNKER_BIGFILE_BYTES ?? 300_000_000);
const DISTINCT = Number(process.env.CHUNKER_BIGFILE_DISTINCT ?? SIZE);
const MAX_PAGE_BYTES = 300_000_000;
let browser: Browser;

before(async () => {
  execFileSync("node_modules/.bin/tsc", ["-p", "demo"], { cwd: PACKAGE });
  // The measurement otherwise waits for the next garbage collection, which flatters it.
  browser = await launch("--enable-blink-features=ForceEagerMeasureMemory");
});

after(() => browser?.close());

/**
 * Makes `window.makeFile(edited)` in the page: a file of 64 random Blobs again and again, a unique
 * piece of 16 bytes before each. They are as short as the shortest chunk, so no two chunks in `distinct` bytes
 * are the same. Chromium copies slices of Blobs, but not whole ones, so that the file costs no memory.
 */
function prepareFile(page: Page, size: number, distinct: number): Promise<void> {
  const sizes = { size, distinct };
  return page.evaluate(({ size, distinct }) => {
    const length = 262_144;
    const random = () => crypto.getRandomValues(new Uint8Array(length / 4));
    const blobs = Array.from(
      { length: 64 },
      () => new Blob([random(), random(), random(), random()]),
    );
    const parts: BlobPart[] = [];
    const period = Math.ceil(distinct / (length + 16));
    for (let index = 0; index * (length + 16) < size; index += 1) {
      const number = index % period;
      const unique = new BigUint64Array([BigInt(number), 0xc0ffeen]);
      parts.push(unique, blobs[number % blobs.length] as Blob);
    }
    const makeFile = (edited: boolean) => {
      const all = [...parts];
      if (edited) {
        all.splice(2 * Math.floor(all.length / 3), 2);
        all.splice(Math.floor(all.length / 3), 0, "an insertion");
      }
      return new File(all, edited ? "edited.bin" : "original.bin", { lastModified: 1 });
    };
    Object.assign(window, { makeFile });
  }, sizes);
}

/** Returns the resident memory of the largest renderer, in bytes. */
async function residentOf(cdp: CDPSession): Promise<number> {
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  const sizes = processInfo.map(async ({ type, id }) => {
    if (type !== "renderer") return 0;
    const status = await readFile(`/proc/${id}/status`, "utf8").catch(() => "");
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  });
  return Math.max(...(await Promise.all(sizes)));
}

/** Drops the file on the page and returns what the upload showed and the most memory it took. */
async function uploadIn(page: Page, edited: boolean) {
  const cdp = await browser.newBrowserCDPSession();
  const transfer = await page.evaluateHandle((edited) => {
    const transfer = new DataTransfer();
    const { makeFile } = window as unknown as { makeFile(edited: boolean): File };
    transfer.items.add(makeFile(edited));
    return transfer;
  }, edited);
  const resident = await residentOf(cdp);
  const started = performance.now();
  await page.evaluate((dataTransfer) => {
    document.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
  }, transfer);
  const name = edited ? "edited.bin" : "original.bin";
  let mostBytes = 0;
  let mostResident = 0;
  for (let done = false; !done; ) {
    const sample = await page.evaluate(async (name) => {
      const performance_ = performance as unknown as {
        measureUserAgentSpecificMemory(): Promise<{ bytes: number }>;
      };
      const { bytes } = await performance_.measureUserAgentSpecificMemory();
      const failed = document.querySelector(".card.failed .status")?.textContent;
      if (failed) throw new Error(failed);
      return { bytes, done: document.querySelector(`[aria-label="Download ${name}"]`) !== null };
    }, name);
    mostBytes = Math.max(mostBytes, sample.bytes);
    mostResident = Math.max(mostResident, await residentOf(cdp));
    done = sample.done;
    await page.waitForTimeout(250);
  }
  const seconds = (performance.now() - started) / 1000;
  const text = (selector: string) => page.textContent(`.card:first-child ${selector}`);
  return {
    mostBytes,
    resident,
    mostResident,
    seconds,
    chunks: await text(".chunks"),
    newChunks: await text(".new-chunks"),
    sent: await text(".sent"),
  };
}

test(`a file of ${SIZE} bytes goes through a page that stays below ${MAX_PAGE_BYTES} bytes`, async (t) => {
  const { startServer } = await import(new URL("../../demo-out/server.js", import.meta.url).href);
  // Stored as they come: the file does not compress, and the disk is all that this needs.
  const store = await Store.open(await temporaryDirectory(), { cache: false, level: 0 });
  const server = await startServer({ store, port: { port: 0, fixed: true } });
  t.after(() => server.close());
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.selectOption("#profile", "large");
  await prepareFile(page, SIZE, DISTINCT);
  for (const edited of [false, true]) {
    const before = (await store.usage()).bytes;
    const { mostBytes, resident, mostResident, seconds, chunks, newChunks, sent } = await uploadIn(
      page,
      edited,
    );
    const bytes = (await store.usage()).bytes - before;
    const mega = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    t.diagnostic(
      `${edited ? "edited copy" : "original"}: ${chunks} chunks, ${newChunks} new, ${sent} sent ` +
        `(${bytes} bytes at the server), ${seconds.toFixed(0)} s, ${mega(SIZE / seconds)}/s; ` +
        `page's JavaScript and wasm at most ${mega(mostBytes)}, renderer resident ${mega(mostResident)} ` +
        `(${mega(resident)} before the upload)`,
    );
    assert.ok(mostBytes < MAX_PAGE_BYTES, `${mostBytes} bytes in the page`);
    if (edited) assert.ok(bytes < 8 * 4_194_304, `${bytes} bytes sent of an edited copy`);
    else assert.ok(bytes > DISTINCT * 0.99, "the file repeats itself sooner");
    if (DISTINCT < SIZE)
      assert.ok(bytes < DISTINCT + 8 * 4_194_304, "what is repeated was stored again");
  }
});
