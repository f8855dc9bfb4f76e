// Prints how a pool of two workers compares with one, with the calling thread, and with a peer, in Node
// and in Chromium: `make bench-pool`. Rounds are interleaved, ratios are medians over rounds.
//
// On a machine that does other things as well, a thread waits for a core. So each figure is given
// twice: by the clock, and by the processor time of the busiest thread, which is what the clock would
// show if every thread had a core of its own.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { contestants, RATIOS } from "./bench-contestants.mjs";

const BYTES = 128 * 1024 * 1024;
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const PEERS = "target/peers/xetchunk/node_modules/";
const PEER = `${PEERS}@huggingface/xetchunk-wasm/dist/esm/index.js`;
/** The modules of the page, in the repository. */
const MODULES = {
  "chunker-wasm": "npm/dist/index.browser.js",
  "chunker-wasm/pool": "npm/dist/pool/index.browser.js",
  "@huggingface/blake3-jit": `${PEERS}@huggingface/blake3-jit/dist/esm/index.js`,
  "gearhash-jit": `${PEERS}gearhash-jit/dist/esm/index.js`,
};

await inNode();
await inChromium();
process.exit();

async function inNode() {
  const all = await contestants(BYTES, await import(REPOSITORY + PEER));
  await race(
    `Node ${process.version}`,
    Object.keys(all),
    () => [process.pid],
    async (name) => {
      const start = performance.now();
      await all[name]();
      return performance.now() - start;
    },
  );
}

async function inChromium() {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  execFileSync("node_modules/.bin/tsc", ["-p", "test"], { stdio: "inherit" });
  const { launch, open, serve } = await import("../test-out/chromium.js");
  const imports = Object.fromEntries(
    Object.entries(MODULES).map(([name, path]) => [name, `/${path}`]),
  );
  const map = `<script type="importmap">${JSON.stringify({ imports })}</script>`;
  const site = await serve(REPOSITORY, {
    "/": `<!doctype html><link rel="icon" href="data:,">${map}`,
    "/contestants.js": readFileSync("scripts/bench-contestants.mjs", "utf8"),
  });
  const browser = await launch();
  const { page } = await open(browser, site.url);
  const names = await page.evaluate(
    async ([bytes, peer]) => {
      const { contestants } = await import(`${location.origin}/contestants.js`);
      window.all = await contestants(bytes, await import(`${location.origin}/${peer}`));
      return Object.keys(window.all);
    },
    [BYTES, PEER],
  );
  const cdp = await browser.newBrowserCDPSession();
  const renderers = async () => {
    const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  };
  const run = (name) =>
    page.evaluate(async (name) => {
      const start = performance.now();
      await window.all[name]();
      return performance.now() - start;
    }, name);
  await race(`Chromium ${browser.version()}`, names, renderers, run);
  await browser.close();
  await site[Symbol.asyncDispose]();
}

/** Runs all in turn, `ROUNDS` times after one that warms up, and prints medians. */
async function race(where, names, processes, run) {
  const clock = Object.fromEntries(names.map((name) => [name, []]));
  const busiest = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of names) {
      const before = threads(await processes());
      const milliseconds = await run(name);
      const after = threads(await processes());
      if (round === 0) continue;
      clock[name].push(milliseconds);
      const times = [...after].map(([thread, time]) => time - (before.get(thread) ?? 0));
      busiest[name].push(Math.max(...times));
    }
  }
  console.log(`\n${where}, ${BYTES / 1024 / 1024} MiB of random bytes, ${ROUNDS} rounds`);
  console.log(`${"MB/s".padEnd(40)} by the clock  by the busiest thread`);
  const speed = (times) => (BYTES / 1000 / median(times)).toFixed();
  for (const name of names) {
    console.log(
      `${name.padEnd(40)} ${speed(clock[name]).padStart(12)} ${speed(busiest[name]).padStart(22)}`,
    );
  }
  console.log("ratios");
  for (const [fast, slow] of RATIOS) {
    const ratio = (times) => median(times[slow].map((time, i) => time / times[fast][i])).toFixed(2);
    const name = `${fast} / ${slow.replace(fast.split(",")[0], "")}`;
    console.log(`${name.padEnd(66)} ${ratio(clock)} ${ratio(busiest)}`);
  }
}

/** Milliseconds on a core, by thread. */
function threads(processes) {
  const times = new Map();
  for (const id of processes) {
    for (const thread of readdirSync(`/proc/${id}/task`)) {
      try {
        const [nanoseconds] = readFileSync(`/proc/${id}/task/${thread}/schedstat`, "utf8").split(
          " ",
        );
        times.set(thread, Number(nanoseconds) / 1e6);
      } catch {
        // It has just ended.
      }
    }
  }
  return times;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
