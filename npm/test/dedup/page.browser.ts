// The page of the demo in Chromium, as a person uses it. Screenshots of its states go to the
// directory CHUNKER_SCREENSHOTS, or to a temporary one whose name is printed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { appendFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ChunkStore, DiskChunkStore } from "chunker-cdc/dedup/server";
import type { Browser, Page } from "playwright-core";
import { launch } from "../chromium.js";
import { compressibleBytes, randomBytes, temporaryDirectory } from "./support.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
let browser: Browser;
let screenshots: string;

before(async () => {
  execFileSync("node_modules/.bin/tsc", ["-p", "demo"], { cwd: PACKAGE });
  screenshots = process.env.CHUNKER_SCREENSHOTS ?? (await mkdtemp(join(tmpdir(), "chunker-page-")));
  mkdirSync(screenshots, { recursive: true });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  console.log(`screenshots: ${screenshots}`);
});

interface View {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
}

/** Opens the page of a demo server over a new store; what goes wrong in it fails the test. */
async function openPage(t: TestContext, view: View = {}, wrap = (store: ChunkStore) => store) {
  const { startServer } = await import(new URL("../../demo-out/server.js", import.meta.url).href);
  const store = wrap(await DiskChunkStore.open(await temporaryDirectory(t)));
  const server = await startServer({ store, port: { port: 0, fixed: true } });
  const { width = 1100, height = 900, colorScheme = "light" } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  t.after(async () => {
    await context.close();
    await server.close();
  });
  await page.goto(server.url);
  return { page, problems, server };
}

async function fileOf(t: TestContext, name: string, bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory(t), name);
  await writeFile(path, bytes);
  return path;
}

function figures(page: Page, card = 0) {
  return page.evaluate((card) => {
    const root = document.querySelectorAll(".card")[card];
    const text = (selector: string) => root?.querySelector(selector)?.textContent ?? "";
    return {
      status: text(".status"),
      chunks: Number(text(".chunks")),
      newChunks: Number(text(".new-chunks")),
      href: root?.querySelector<HTMLAnchorElement>(".download")?.href ?? "",
    };
  }, card);
}

function finished(page: Page, count: number) {
  return page.waitForFunction(
    (count) => document.querySelectorAll(".download").length === count,
    count,
  );
}

/** A store whose writes take `ms` more. */
const slow = (ms: number) => (store: ChunkStore) => {
  const putChunk: ChunkStore["putChunk"] = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return store.putChunk(...args);
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === "putChunk") return putChunk;
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
};

test("a file is uploaded, an edited copy sends only what changed, the download is the same", async (t) => {
  const { page, problems } = await openPage(t);
  const data = randomBytes(5_000_000, 11);
  const edited = Buffer.concat([
    data.subarray(0, 2e6),
    Buffer.from("inserted"),
    data.subarray(2e6),
  ]);
  await page.setInputFiles("#files", await fileOf(t, "original.bin", data));
  await finished(page, 1);
  const first = await figures(page);
  assert.equal(first.newChunks, first.chunks);
  await page.setInputFiles("#files", await fileOf(t, "edited.bin", edited));
  await finished(page, 2);
  const second = await figures(page);
  assert.ok(second.newChunks >= 1 && second.newChunks <= 2, `${second.newChunks} new chunks`);
  assert.match(second.status, /^Done: .* saved$/);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click('[aria-label="Download edited.bin"]'),
  ]);
  assert.equal(download.suggestedFilename(), "edited.bin");
  assert.deepEqual(await readFile(await download.path()), edited);
  assert.deepEqual(problems, []);
});

test("with compression ticked less goes over the wire; the codecs are fetched only then", async (t) => {
  const { page, problems } = await openPage(t);
  const fetched: string[] = [];
  page.context().on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    fetched.push(pathname + search);
  });
  const codecs = () => fetched.filter((path) => path.endsWith("/chunker-codecs.wasm")).length;
  await page.setInputFiles("#files", await fileOf(t, "a.bin", compressibleBytes(1_000_000, 17)));
  await finished(page, 1);
  assert.equal(codecs(), 0);
  await page.check("#compress");
  const data = compressibleBytes(3_000_000, 18);
  await page.setInputFiles("#files", await fileOf(t, "b.bin", data));
  await finished(page, 2);
  assert.equal(codecs(), 1);
  const { chunks, newChunks } = await figures(page);
  assert.equal(newChunks, chunks);
  assert.equal(fetched.filter((path) => path.includes("?encoding=zstd&")).length, chunks);
  assert.equal(await page.textContent(".card .sent"), "3.00 MB");
  const onWire = Number.parseFloat((await page.textContent(".card .on-wire")) ?? "");
  assert.ok(onWire > 1.4 && onWire < 1.8, `${onWire} MB on the wire`);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click('[aria-label="Download b.bin"]'),
  ]);
  assert.deepEqual(await readFile(await download.path()), Buffer.from(data));
  assert.deepEqual(problems, []);
});

test("several files at once, an empty one among them, are taken in turn", async (t) => {
  const { page, problems } = await openPage(t);
  const paths = [
    await fileOf(t, "a.bin", randomBytes(300_000, 12)),
    await fileOf(t, "empty.bin", new Uint8Array(0)),
    await fileOf(t, "b.bin", randomBytes(300_000, 12)),
  ];
  await page.setInputFiles("#files", paths);
  await finished(page, 3);
  assert.equal((await figures(page, 2)).newChunks, 0, "the same content was sent twice");
  assert.match((await figures(page, 1)).status, /empty/);
  assert.deepEqual(problems, []);
});

test("after a reload the upload goes on where it stopped", async (t) => {
  const { page, problems } = await openPage(t, {}, slow(100));
  const path = await fileOf(t, "big.bin", randomBytes(12_000_000, 13));
  await page.setInputFiles("#files", path);
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 0.4);
  // The record is written at most every half second.
  await page.waitForTimeout(600);
  await page.reload();
  await page.setInputFiles("#files", path);
  await page.waitForFunction(() =>
    /resumed at/.test(document.querySelector(".status")?.textContent ?? ""),
  );
  await finished(page, 1);
  const { chunks, newChunks } = await figures(page);
  assert.ok(newChunks < chunks * 0.7, `${newChunks} of ${chunks} chunks sent after the reload`);
  assert.deepEqual(problems, []);
});

test("cancel stops, says so, and trying again goes on; all by keyboard", async (t) => {
  const { page, problems } = await openPage(t, {}, slow(20));
  await page.setInputFiles("#files", await fileOf(t, "big.bin", randomBytes(8_000_000, 14)));
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 0.2);
  await page.focus(".cancel");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".retry:not([hidden])");
  assert.match((await figures(page)).status, /^Cancelled/);
  await page.screenshot({ path: join(screenshots, "cancelled.png") });
  await page.focus(".retry");
  await page.keyboard.press("Space");
  await finished(page, 1);
  assert.match((await page.textContent("#announce")) ?? "", /big\.bin: Done/);
  assert.deepEqual(problems, []);
});

test("everything is reached by Tab, in the order of the page, and shows that it has the focus", async (t) => {
  const { page } = await openPage(t);
  const reached: string[] = [];
  const tab = async () => {
    await page.keyboard.press("Tab");
    const [name, outlined] = await page.evaluate(() => {
      const active = document.activeElement as HTMLElement;
      const shown = active.closest<HTMLElement>(".drop") ?? active;
      return [active.id || active.className, getComputedStyle(shown).outlineStyle !== "none"];
    });
    assert.ok(outlined, `${name} has no outline`);
    reached.push(String(name));
    await page.screenshot({ path: join(screenshots, `focus-${reached.length}-${name}.png`) });
  };
  for (let count = 0; count < 4; count += 1) await tab();
  await page.keyboard.press("Enter");
  await finished(page, 1);
  for (let count = 0; count < 2; count += 1) await tab();
  assert.deepEqual(reached, ["files", "profile", "compress", "sample", "edited", "download"]);
});

test("a file that changes while it is read is a plain message", async (t) => {
  const { page } = await openPage(t, {}, slow(50));
  const path = await fileOf(t, "changing.bin", randomBytes(60_000_000, 15));
  await page.setInputFiles("#files", path);
  await page.waitForFunction(() => Number(document.querySelector(".new-chunks")?.textContent) > 0);
  await appendFile(path, "more");
  await page.waitForSelector(".card.failed");
  assert.match((await figures(page)).status, /changed/);
  await page.screenshot({ path: join(screenshots, "failed.png") });
});

test("a server that is gone is a plain message, and its return goes on", async (t) => {
  const { page, server } = await openPage(t, {}, slow(20));
  await page.setInputFiles("#files", await fileOf(t, "big.bin", randomBytes(6_000_000, 16)));
  await page.waitForFunction(() => Number(document.querySelector(".new-chunks")?.textContent) > 0);
  const port = Number(new URL(page.url()).port);
  await server.close();
  await page.waitForFunction(() =>
    /Trying again in/.test(document.querySelector(".status")?.textContent ?? ""),
  );
  await new Promise<void>((resolve) => server.server.listen(port, "127.0.0.1", resolve));
  await finished(page, 1);
});

test("fifty thousand chunks are drawn in a moment", async (t) => {
  const { page } = await openPage(t);
  const ms = await page.evaluate(async () => {
    const path = "/page/chunk-map.js";
    const { ChunkMap } = await import(path);
    const canvas = document.body.appendChild(document.createElement("canvas"));
    canvas.style.width = "800px";
    const count = 50_000;
    const map = new ChunkMap(canvas, count * 65_536);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const events = new Float64Array(4 * count);
    for (let index = 0; index < count; index += 1) {
      events.set([index, index * 65_536, 65_536, index % 6], 4 * index);
    }
    const started = performance.now();
    map.update(events);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - started;
  });
  t.diagnostic(`${ms.toFixed(0)} ms`);
  assert.ok(ms < 1000, `${ms} ms`);
});

for (const [name, view] of Object.entries({
  wide: { width: 1100, height: 900 },
  narrow: { width: 360, height: 740 },
})) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`the page fits: ${name}, ${colorScheme}`, async (t) => {
      const { page, problems } = await openPage(t, { ...view, colorScheme }, slow(10));
      const shoot = async (state: string) => {
        const path = join(screenshots, `${name}-${colorScheme}-${state}.png`);
        await page.screenshot({ path, fullPage: true });
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(width, view.width, `scrolls sideways: ${state}`);
      };
      await page.check("#compress");
      await shoot("1-empty");
      await page.click("#sample");
      await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 0.4);
      await shoot("2-during");
      await finished(page, 1);
      await page.click("#edited");
      await finished(page, 2);
      await shoot("3-after");
      assert.deepEqual(problems, []);
    });
  }
}

test("the server gives the page's files and nothing else, to localhost only", async (t) => {
  const { server } = await openPage(t);
  const get = async (path: string, init?: RequestInit) =>
    (await fetch(server.url + path, init)).status;
  assert.equal(await get("/page/../../package.json"), 404);
  assert.equal(await get("/page/%2e%2e/server.js"), 404);
  assert.equal(await get("/chunker-cdc/cjs/index.js"), 404);
  assert.equal(await get("/", { method: "POST" }), 405);
  const { request } = await import("node:http");
  const status = await new Promise((resolve) => {
    const { port } = new URL(server.url);
    const headers = { host: "evil.example" };
    request({ port, host: "127.0.0.1", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  assert.equal(status, 421);
});
