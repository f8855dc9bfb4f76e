// Prints how the native addon compares with WebAssembly and with the crate called by a native program, what
// a call costs, and how long the event loop waits meanwhile: `make bench-node`. Rounds are interleaved,
// ratios are medians over rounds, each given twice: by the clock, and by the processor time of all threads.

import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MIB = 1024 * 1024;
const BYTES = 256 * MIB;
const ROUNDS = Number(process.env.ROUNDS ?? 9);
const DIRECT = fileURLToPath(new URL("../../target/release/examples/direct", import.meta.url));
const SIZES = {
  "1 MiB": [MIB / 4, MIB, 4 * MIB],
  "64 KiB": [MIB / 64, MIB / 16, MIB / 4],
};

if (process.argv[2] === "contestant") await contest();
else {
  await race();
  await measureCalls();
  await measureDelay();
}

/** Answers lines \`WHAT MIN AVG MAX THREADS\` after it has done that. */
async function contest() {
  const { Chunker, profile } = await import("chunker-cdc");
  const { ChunkerPool } = await import("chunker-cdc/pool");
  const { core } = await import("../dist/load.js");
  const data = random(BYTES);
  const pool = new ChunkerPool({ workers: 2 });
  const pieces = Array.from({ length: BYTES / MIB }, (_, i) =>
    data.subarray(i * MIB, (i + 1) * MIB),
  );
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, minSize, avgSize, maxSize, threads] = line.split(" ");
    const sizes = { minSize: +minSize, avgSize: +avgSize, maxSize: +maxSize };
    const before = process.cpuUsage();
    let chunks = 0;
    if (what === "cut") {
      const cutter = new (core().PushChunker)(await profile(sizes), 0, true);
      for (const piece of pieces) chunks += cutter.feed(piece).length / 48;
      chunks += cutter.finish().length / 48;
    } else if (threads === "1") {
      const chunker = new Chunker({ profile: { ...sizes, hash: what } });
      for (const piece of pieces) chunks += chunker.feed(piece).length;
      chunks += chunker.finish().length;
    } else {
      for await (const _ of pool.chunks(data, { profile: { ...sizes, hash: what } })) chunks++;
    }
    const { user, system } = process.cpuUsage(before);
    console.log(`${chunks} ${user + system}`);
  }
}

/** Starts a contestant, and returns what runs one line and measures it, in milliseconds. */
function contestant(command, args, env) {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout });
  return {
    child,
    async run(line) {
      const start = performance.now();
      child.stdin.write(`${line}\n`);
      const [answer] = await once(answers, "line");
      const [chunks, microseconds] = answer.split(" ");
      return { chunks, clock: performance.now() - start, processor: Number(microseconds) };
    },
  };
}

async function race() {
  const script = [fileURLToPath(import.meta.url), "contestant"];
  const { CHUNKER_BACKEND: _, ...env } = process.env;
  const all = {
    native: contestant(process.execPath, script, { ...env, CHUNKER_BACKEND: "native" }),
    wasm: contestant(process.execPath, script, { ...env, CHUNKER_BACKEND: "wasm" }),
    rust: contestant(DIRECT, [`${BYTES}`], env),
  };
  console.log(`Node ${process.version}, ${BYTES / MIB} MiB of random bytes, ${ROUNDS} rounds`);
  console.log(
    "by the clock, and by processor time:        native/wasm      native/Rust   native MB/s",
  );
  for (const threads of [1, 2]) {
    for (const what of ["cut", "blake3", "sha256"]) {
      if (what === "cut" && threads === 2) continue;
      for (const [name, sizes] of Object.entries(SIZES)) {
        const times = { native: [], wasm: [], rust: [] };
        for (let round = 0; round <= ROUNDS; round++) {
          for (const [who, { run }] of Object.entries(all)) {
            const time = await run([what, ...sizes, threads].join(" "));
            if (round > 0) times[who].push(time);
          }
        }
        const ratio = (other, kind) =>
          median(times[other].map((time, i) => time[kind] / times.native[i][kind])).toFixed(2);
        const title = `${what}, average ${name}, ${threads} thread${threads > 1 ? "s" : ""}`;
        const ratios = ["wasm", "rust"].map((other) =>
          `${ratio(other, "clock")} ${ratio(other, "processor")}`.padStart(15),
        );
        const speed = BYTES / 1000 / median(times.native.map(({ clock }) => clock));
        console.log(title.padEnd(40), ...ratios, speed.toFixed().padStart(12));
      }
    }
  }
  for (const { child } of Object.values(all)) child.kill();
}

async function measureCalls() {
  const { backend, Chunker, Hasher, chunk } = await import("chunker-cdc");
  console.log(`\ncalls of ${backend()}, ns`);
  const hasher = new Hasher("blake3");
  const chunker = new Chunker();
  const [none, short] = [new Uint8Array(0), new Uint8Array(64)];
  for (const [name, call] of Object.entries({
    "Hasher.update of no bytes": () => hasher.update(none),
    "Hasher.update of 64 bytes": () => hasher.update(short),
    "Chunker.feed of no bytes": () => chunker.feed(none),
    "new Chunker()": () => new Chunker()[Symbol.dispose](),
  })) {
    console.log(name.padEnd(40), nanoseconds(call).toFixed().padStart(6));
  }
  const long = new Uint8Array(MIB + 1);
  const start = performance.now();
  for (let i = 0; i < 200; i++) await chunk(long, { profile: { hash: "blake3" } });
  const each = ((performance.now() - start) / 200) * 1e6;
  const alone = nanoseconds(() => new Hasher("blake3").update(long).finalize(), 200);
  console.log(
    `chunk() of 1 MiB and a byte, beyond hashing`.padEnd(40),
    (each - alone).toFixed().padStart(6),
  );
}

async function measureDelay() {
  const { chunk } = await import("chunker-cdc");
  const folder = mkdtempSync(join(tmpdir(), "chunker-bench-"));
  const path = join(folder, "file");
  const data = random(1024 * MIB);
  const file = openSync(path, "w");
  for (let at = 0; at < data.length; at += 16 * MIB) writeSync(file, data, at, 16 * MIB);
  console.log(
    "\nevent-loop delay in ms while 1 GiB is chunked:        50 %    99 %    most   seconds",
  );
  for (const hash of ["sha256", "blake3"]) {
    for (const [name, source] of [
      ["nothing", undefined],
      ["a file by its path", path],
      ["a caller's buffer", data],
    ]) {
      // What it measures is the time between two of its timers, of 1 ms at least.
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const start = performance.now();
      if (source === undefined) await new Promise((resolve) => setTimeout(resolve, 1000));
      else await chunk(source, { profile: { hash } });
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      delay.disable();
      const ms = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) =>
        (ns / 1e6 - 1).toFixed(2).padStart(7),
      );
      console.log(`${hash}, ${name}`.padEnd(50), ...ms, seconds.padStart(8));
    }
  }
  const start = performance.now();
  const copy = new Uint8Array(MIB);
  for (let at = 0; at < data.length; at += MIB) copy.set(data.subarray(at, at + MIB));
  console.log(`copying 1 GiB in slices of 1 MiB: ${(performance.now() - start).toFixed()} ms`);
  rmSync(folder, { recursive: true });
}

function random(bytes) {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += MIB) randomFillSync(data, at, Math.min(MIB, bytes - at));
  return data;
}

/** Nanoseconds of a call: the least of many series. */
function nanoseconds(call, times = 20_000) {
  const series = Array.from({ length: 15 }, () => {
    const start = performance.now();
    for (let i = 0; i < times; i++) call();
    return ((performance.now() - start) / times) * 1e6;
  });
  return Math.min(...series);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
