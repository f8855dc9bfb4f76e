// Files, streams, bytes and signals of an iframe are as good as those of the page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, open, serve } from "../chromium.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const PAGE = `<!doctype html><link rel="icon" href="data:,"><iframe srcdoc="<p>"></iframe>`;

test("values of an iframe have the same chunks as those of the page", async () => {
  await using site = await serve(PACKAGE, { "/": PAGE });
  const browser = await launch();
  try {
    const { page, problems } = await open(browser, site.url);
    const outcome = await page.evaluate(async () => {
      const { chunk, chunks, digest, toHex } = await import("/dist/index.browser.js" as string);
      const { ChunkerPool } = await import("/dist/pool/index.browser.js" as string);
      const { compress, DecompressTransform } = await import(
        "/dist/codecs/index.browser.js" as string
      );
      const other = frames[0] as Window & typeof globalThis;
      const own = new Uint8Array(6_000_000).map((_, index) => (index * index) >> 7);
      const data = new other.Uint8Array(own);
      const file = new other.File([data], "a.bin");
      const show = (found: { hashHex: string }[]) => found.map(({ hashHex }) => hashHex).join();
      const all = async (found: AsyncIterable<{ hashHex: string }>) => {
        const list = [];
        for await (const each of found) list.push(each);
        return show(list);
      };
      const expected = show(await chunk(own));
      const pool = new ChunkerPool({ workers: 2 });
      const found = [
        show(await chunk(data)),
        show(await chunk(data.buffer)),
        show(await chunk(new other.DataView(data.buffer))),
        await all(chunks(file)),
        await all(chunks(file.stream())),
        await all(pool.chunks(file)),
        await all(pool.chunks(file.stream())),
        show(await pool.chunk(data)),
      ];
      await pool.close();
      const packed = new other.Blob([await compress("zstd", data)]);
      const content = packed.stream().pipeThrough(new DecompressTransform("zstd"));
      const restored = new Uint8Array(await new Response(content).arrayBuffer());
      const digests = await Promise.all(
        [own, data, restored].map((each) => digest("sha256", each)),
      );
      const controller = new other.AbortController();
      controller.abort("enough");
      const aborted = await chunk(data, { signal: controller.signal }).catch(
        (error: { code: string; cause: unknown }) => `${error.code} ${error.cause}`,
      );
      return {
        another: !(file instanceof Blob),
        equal: found.map((each) => each === expected),
        digests: new Set(digests.map(toHex)).size,
        aborted,
      };
    });
    const equal = new Array(8).fill(true);
    assert.deepEqual(outcome, { another: true, equal, digests: 1, aborted: "aborted enough" });
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});
