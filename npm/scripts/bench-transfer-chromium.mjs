// The client in Chromium of `bench-transfer.mjs`, as `bench-transfer-client.mjs` is in Node: a page does the jobs,
// with files of the disk. It needs no permission of the servers, which are of other origins than the page.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "../test-out/chromium.js";
import { openPage } from "./chromium-page.mjs";

const [peers, ours, theirs] = process.argv.slice(2);

const PAGE = `<!doctype html><link rel="icon" href="data:,"><input type="file">
<script src="/tus.js"></script>
<script type="module">
import { chunks } from "/dist/index.browser.js";
import { download, HttpTransport, upload } from "/dist/dedup/index.browser.js";
const transport = new HttpTransport({ baseUrl: "http://127.0.0.1:${ours}" });
const theirs = "http://127.0.0.1:${theirs}";
const jobs = {
  async upload({ file, profile }) {
    const { root, bytesSent } = await upload(file, { transport, profile });
    return { root, bytesSent };
  },
  async download({ root }) {
    for await (const _ of download(root, { transport }));
  },
  async read({ file, profile }) {
    for await (const _ of chunks(file, { profile }));
  },
  async ask() {
    await transport.limits({ signal: new AbortController().signal });
  },
  tus: ({ file }) =>
    new Promise((onSuccess, onError) => {
      const urls = { endpoint: theirs + "/files", storeFingerprintForResuming: false };
      new tus.Upload(file, { ...urls, onSuccess: () => onSuccess({}), onError }).start();
    }),
  async get({ name }) {
    const { body } = await fetch(theirs + "/" + name, { cache: "no-store" });
    for (const reader = body.getReader(); !(await reader.read()).done; );
  },
};
window.run = async ({ job, ...options }) => {
  const file = document.querySelector("input").files[0];
  const began = performance.now();
  const result = await jobs[job]({ file, ...options });
  return { seconds: (performance.now() - began) / 1000, ...result };
};
document.title = "ready";
</script>`;

const tus = readFileSync(join(peers, "node_modules/tus-js-client/dist/tus.min.js"));
const site = await serve(fileURLToPath(new URL("..", import.meta.url)), {
  "/": PAGE,
  "/tus.js": tus,
});
const page = await openPage(site.url, "--disable-web-security");

process.on("message", async ({ path, ...job }) => {
  try {
    if (path !== undefined) await page.choose(path);
    const name = path === undefined ? undefined : basename(path);
    process.send(await page.evaluate(`run(${JSON.stringify({ ...job, name })})`));
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.on("SIGTERM", () => process.exit()); // and Chromium with it
process.send({ port: 0 });
