// Prints how workers and threads compare with one, with the calling thread, with the same code natively
// and with peers, in Node and in Chromium: `make bench-pool`. Rounds are interleaved, ratios are medians
// over rounds.
//
// On a machine that does other things as well, a thread waits for a core. So each figure is given
// twice: by the clock, and by the processor time of the busiest thread, which is what the clock would
// show if every thread had a core of its own.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { contestants, PROFILES, RATIOS } from "./bench-contestants.mjs";

const BYTES = 128 * 1024 * 1024;
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const PEERS = "target/peers/npm/node_modules/";
const XETCHUNK = `${PEERS}@huggingface/xetchunk-wasm/dist/esm/index.js`;
const HASH_WASM = `${PEERS}hash-wasm/dist/index`;
/** The module that can cut without digests. */
const BENCH = "target/wasm/bench/bound/bindgen";
/** The same code natively, with the kernel and the vectors that WebAssembly has. */
const NATIVE = "target/portable/release/portable";
/** The modules of the page, in the repository. */
const MODULES = {
  "chunker-cdc": "npm/dist/index.browser.js",
  "chunker-cdc/pool": "npm/dist/pool/index.browser.js",
  "chunker-cdc/threads": "npm/dist/threads/index.browser.js",
  "@huggingface/blake3-jit": `${PEERS}@huggingface/blake3-jit/dist/esm/index.js`,
  "gearhash-jit": `${PEERS}gearhash-jit/dist/esm/index.js`,
};

const child = spawn(REPOSITORY + NATIVE, [`${BYTES}`], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: child.stdout });
const native = Object.fromEntries(
  Object.entries(PROFILES).flatMap(([name, { minSize, avgSize, maxSize }]) =>
    ["cut", "blake3"].map((what) => [
      `${name} ${what}, natively`,
      async () => {
        child.stdin.write(`${what} ${minSize} ${avgSize} ${maxSize}\n`);
        await once(answers, "line");
      },
    ]),
  ),
);
await inNode();
await inChromium();
process.exit();

async function inNode() {
  const bench = await import(`${REPOSITORY}${BENCH}.js`);
  bench.initSync({ module: readFileSync(`${REPOSITORY}${BENCH}_bg.wasm`) });
  const peers = {
    xetchunk: await import(REPOSITORY + XETCHUNK),
    hashWasm: (await import(`${REPOSITORY}${HASH_WASM}.umd.js`)).default,
  };
  const all = await contestants(BYTES, peers, bench);
  await race(
    `Node ${process.version}`,
    Object.keys(all),
    () => [process.pid],
    (name) => timed(all[name]),
  );
}

async function inChromium() {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  execFileSync("node_modules/.bin/tsc", ["-p", "test"], { stdio: "inherit" });
  const { ISOLATED, launch, open, serve } = await import("../test-out/chromium.js");
  const imports = Object.fromEntries(
    Object.entries(MODULES).map(([name, path]) => [name, `/${path}`]),
  );
  const map = `<script type="importmap">${JSON.stringify({ imports })}</script>`;
  const pages = {
    "/": `<!doctype html><link rel="icon" href="data:,">${map}`,
    "/contestants.js": readFileSync("scripts/bench-contestants.mjs", "utf8"),
  };
  const site = await serve(REPOSITORY, pages, ISOLATED);
  const browser = await launch();
  const { page } = await open(browser, site.url);
  const names = await page.evaluate(
    async ([bytes, xetchunk, hashWasm, module]) => {
      const at = (path) => import(`${location.origin}/${path}`);
      const { contestants } = await at("contestants.js");
      const bench = await at(`${module}.js`);
      await bench.default({ module_or_path: `/${module}_bg.wasm` });
      const peers = { xetchunk: await at(xetchunk), hashWasm: await at(`${hashWasm}.esm.js`) };
      window.all = await contestants(bytes, peers, bench);
      return Object.keys(window.all);
    },
    [BYTES, XETCHUNK, HASH_WASM, BENCH],
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

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Runs all in turn, `ROUNDS` times after one that warms up, and prints medians. */
async function race(where, ours, processes, run) {
  const names = [...ours, ...Object.keys(native)];
  const used = async () => threads([...(await processes()), child.pid]);
  const clock = Object.fromEntries(names.map((name) => [name, []]));
  const busiest = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of names) {
      const before = await used();
      const milliseconds = await (name in native ? timed(native[name]) : run(name));
      const after = await used();
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
