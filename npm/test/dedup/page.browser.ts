// The page of the demo in Chromium, as a person uses it. Screenshots of its states go to the
// directory CHUNKER_SCREENSHOTS, or to a temporary one whose name is printed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { appendFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Store, type UploadRequest } from "chunker-cdc/dedup/server";
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

/** What a server calls before a request. */
type Authorize = (request: unknown, asked: UploadRequest) => Promise<void>;

/** Opens the page of a demo server over a new store; what goes wrong in it fails the test. */
async function openPage(t: TestContext, view: View = {}, authorize?: Authorize) {
  const { startServer } = await import(new URL("../../demo-out/server.js", import.meta.url).href);
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const server = await startServer({ store, port: { port: 0, fixed: true }, authorize });
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

async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory(), name);
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

/** Lets packs wait for `ms`. */
const slow =
  (ms: number): Authorize =>
  async (_, { operation }) => {
    if (operation === "write_pack") await sleep(ms);
  };

/** Waits until the server has some of the file, and the page says so. */
function someDone(page: Page) {
  return page.waitForFunction(() =>
    /(read|All read), (?!0 bytes)/.test(document.querySelector(".status")?.textContent ?? ""),
  );
}

test("a file is uploaded, an edited copy sends only what changed, the download is the same", async (t) => {
  const { page, problems } = await openPage(t);
  const data = randomBytes(5_000_000, 11);
  const edited = Buffer.concat([
    data.subarray(0, 2e6),
    Buffer.from("inserted"),
    data.subarray(2e6),
  ]);
  await page.setInputFiles("#files", await fileOf("original.bin", data));
  await finished(page, 1);
  const first = await figures(page);
  assert.equal(first.newChunks, first.chunks);
  await page.setInputFiles("#files", await fileOf("edited.bin", edited));
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
  page.context().on("request", (request) => fetched.push(new URL(request.url()).pathname));
  const codecs = () => fetched.filter((path) => path.endsWith("/chunker-codecs.wasm")).length;
  await page.setInputFiles("#files", await fileOf("a.bin", compressibleBytes(1_000_000, 17)));
  await finished(page, 1);
  assert.equal(codecs(), 0);
  await page.check("#compress");
  const data = compressibleBytes(3_000_000, 18);
  await page.setInputFiles("#files", await fileOf("b.bin", data));
  await finished(page, 2);
  assert.equal(codecs(), 1);
  const { chunks, newChunks } = await figures(page);
  assert.equal(newChunks, chunks);
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
    await fileOf("a.bin", randomBytes(300_000, 12)),
    await fileOf("empty.bin", new Uint8Array(0)),
    await fileOf("b.bin", randomBytes(300_000, 12)),
  ];
  await page.setInputFiles("#files", paths);
  await finished(page, 3);
  assert.equal((await figures(page, 2)).newChunks, 0, "the same content was sent twice");
  assert.match((await figures(page, 1)).status, /empty/);
  const speeds = await page.locator(".speed").allTextContents();
  for (const speed of speeds) assert.match(speed, /^(–|[1-9].*\/s)$/);
  await page.screenshot({ path: join(screenshots, "several.png") });
  assert.deepEqual(problems, []);
});

test("after a reload what the server has is not sent again", async (t) => {
  const { page, problems } = await openPage(t, {}, slow(700));
  const path = await fileOf("big.bin", randomBytes(40_000_000, 13));
  await page.setInputFiles("#files", path);
  await someDone(page);
  await page.reload();
  await page.setInputFiles("#files", path);
  await finished(page, 1);
  const { chunks, newChunks } = await figures(page);
  assert.ok(newChunks < chunks * 0.9, `${newChunks} of ${chunks} chunks sent after the reload`);
  assert.deepEqual(problems, []);
});

test("a paused upload rests, and goes on", async (t) => {
  const { page, problems } = await openPage(t, {}, slow(500));
  await page.setInputFiles("#files", await fileOf("big.bin", randomBytes(60_000_000, 19)));
  await someDone(page);
  await page.screenshot({ path: join(screenshots, "uploading.png") });
  await page.click(".pause");
  assert.equal((await figures(page)).status, "Paused");
  await page.waitForTimeout(3000); // what was on its way has ended
  const sent = await page.textContent(".card .sent");
  await page.screenshot({ path: join(screenshots, "paused.png") });
  await page.waitForTimeout(1500);
  assert.equal(await page.textContent(".card .sent"), sent);
  assert.equal((await figures(page)).status, "Paused");
  await page.click(".pause");
  await finished(page, 1);
  assert.deepEqual(problems, []);
});

test("a sound plays from the server, and can be sought in", async (t) => {
  const { page, problems } = await openPage(t);
  const requests: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/v1/files/")) requests.push(request.headers().range ?? "whole");
  });
  await page.setInputFiles("#files", await fileOf("tone.wav", wav(120)));
  await finished(page, 1);
  await page.waitForFunction(() => (document.querySelector("audio")?.duration ?? 0) > 0);
  const played = await page.evaluate(async () => {
    const audio = document.querySelector("audio") as HTMLAudioElement;
    audio.muted = true;
    const event = (name: string) => new Promise((resolve) => audio.addEventListener(name, resolve));
    const times: number[] = [];
    for (const time of [100, 3, 60]) {
      const sought = event("seeked");
      audio.currentTime = time;
      await sought;
      times.push(Math.round(audio.currentTime));
    }
    await audio.play();
    await event("timeupdate");
    await event("timeupdate");
    const moved = audio.currentTime;
    audio.pause();
    return { duration: Math.round(audio.duration), times, moved };
  });
  assert.equal(played.duration, 120);
  assert.deepEqual(played.times, [100, 3, 60]);
  assert.ok(played.moved > 60 && played.moved < 65, `${played.moved} s`);
  t.diagnostic(`requests: ${requests.join("; ")}`);
  assert.ok(
    requests.some((range) => /^bytes=[1-9]/.test(range)),
    "no part of it was asked for",
  );
  await page.screenshot({ path: join(screenshots, "sound.png"), fullPage: true });
  assert.deepEqual(problems, []);
});

test("a picture is shown, and what only says that it is one is not", async (t) => {
  const { page } = await openPage(t);
  const png = await readFile(join(screenshots, "uploading.png"));
  await page.setInputFiles("#files", await fileOf("picture.png", png));
  await page.waitForFunction(
    () => (document.querySelector("img.preview") as HTMLImageElement)?.naturalWidth > 0,
  );
  await page.screenshot({ path: join(screenshots, "picture.png"), fullPage: true });
  await page.setInputFiles("#files", await fileOf("wrong.png", randomBytes(5000, 20)));
  await finished(page, 2);
  await page.waitForFunction(() => document.querySelectorAll("img.preview").length === 1);
});

/** A WAV file of a falling tone. */
function wav(seconds: number): Buffer {
  const rate = 44_100;
  const length = 2 * rate * seconds;
  const bytes = Buffer.alloc(44 + length);
  bytes.write("RIFF");
  bytes.writeUInt32LE(36 + length, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(length, 40);
  for (let at = 0; at < length / 2; at += 1) {
    const second = at / rate;
    const value = 8000 * Math.sin(2 * Math.PI * second * (880 - second));
    bytes.writeInt16LE(Math.round(value), 44 + 2 * at);
  }
  return bytes;
}

test("cancel stops, says so, and trying again goes on; all by keyboard", async (t) => {
  const { page, problems } = await openPage(t, {}, slow(400));
  await page.setInputFiles("#files", await fileOf("big.bin", randomBytes(40_000_000, 14)));
  await someDone(page);
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
  const { page } = await openPage(t, {}, slow(1000));
  const path = await fileOf("changing.bin", randomBytes(60_000_000, 15));
  await page.setInputFiles("#files", path);
  await someDone(page);
  await appendFile(path, "more");
  await page.waitForSelector(".card.failed");
  assert.match((await figures(page)).status, /changed/);
  await page.screenshot({ path: join(screenshots, "failed.png") });
});

test("a server that is gone is a plain message, and its return goes on", async (t) => {
  const { page, server } = await openPage(t, {}, slow(500));
  await page.setInputFiles("#files", await fileOf("big.bin", randomBytes(60_000_000, 16)));
  await someDone(page);
  const port = Number(new URL(page.url()).port);
  await server.close();
  await page.waitForFunction(() =>
    /Trying again in/.test(document.querySelector(".status")?.textContent ?? ""),
  );
  await page.screenshot({ path: join(screenshots, "waiting.png") });
  await new Promise<void>((resolve) => server.server.listen(port, "127.0.0.1", resolve));
  await finished(page, 1);
  await page.screenshot({ path: join(screenshots, "recovered.png") });
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
      const { page, problems } = await openPage(t, { ...view, colorScheme }, slow(300));
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
  assert.equal(await get("/v1"), 200);
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
