// How Node chooses between the native addon and the WebAssembly module, and what becomes of an addon in
// the hands of threads, of broken files, and of panics.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import * as api from "chunker-cdc";
import { splitMix64 } from "./inputs.js";

const npm = fileURLToPath(new URL("..", import.meta.url));
const modules = join(npm, "node_modules");
const name = readdirSync(modules).find((each) => each.startsWith("chunker-cdc-")) ?? "";
const require = createRequire(join(npm, "package.json"));

interface Outcome {
  stdout: string;
  stderr: string;
  code: number | null;
}

/** Runs `program` in Node; a process that does not end within 60 s is an error. */
async function run(program: string, cwd: string, backend?: string): Promise<Outcome> {
  const { CHUNKER_BACKEND: _, ...env } = process.env;
  if (backend !== undefined) env.CHUNKER_BACKEND = backend;
  const flags = ["--input-type=module", "--eval", program];
  try {
    const options = { cwd, env, timeout: 60_000 };
    return { ...(await promisify(execFile)(process.execPath, flags, options)), code: 0 };
  } catch (error) {
    const { stdout, stderr, code } = error as Outcome;
    assert.equal(typeof code, "number", `${program}: ${error}`);
    return { stdout, stderr, code };
  }
}

/** Prints the back end, or the error of the import. */
const PROGRAM = `
  try {
    const { backend } = await import("chunker-cdc");
    const { nixBase32Encode } = await import("chunker-cdc/codecs");
    console.log(backend(), await nixBase32Encode(new Uint8Array(5)));
  } catch (error) {
    console.log(error.name, error.code, error.message);
  }`;

/** Makes a project that has this package, and of its addon what \`write\` writes into a folder. */
function project(t: TestContext, write?: (folder: string) => void): string {
  const folder = mkdtempSync(join(tmpdir(), "chunker-native-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const part of ["dist", "package.json"]) {
    cpSync(join(npm, part), join(folder, "node_modules/chunker-cdc", part), { recursive: true });
  }
  if (write !== undefined) {
    const addon = join(folder, "node_modules", name);
    mkdirSync(addon);
    write(addon);
  }
  return folder;
}

test("each value of CHUNKER_BACKEND chooses, and any other is an error", async () => {
  const native = /^native (avx512|avx2|scalar|portable) 00000000\n$/;
  assert.match((await run(PROGRAM, npm)).stdout, native);
  assert.match((await run(PROGRAM, npm, "native")).stdout, native);
  assert.equal((await run(PROGRAM, npm, "wasm")).stdout, "wasm simd128 00000000\n");
  for (const wrong of ["", "Native", "wasm ", "js", "1"]) {
    const { stdout } = await run(PROGRAM, npm, wrong);
    assert.ok(stdout.startsWith("ChunkerError invalid_environment CHUNKER_BACKEND is "), stdout);
  }
});

const COPY = (folder: string) =>
  cpSync(join(modules, name), folder, { recursive: true, dereference: true });
const REFUSED: [what: string, write: ((folder: string) => void) | undefined, reason: RegExp][] = [
  ["is missing", undefined, /Cannot find module/],
  [
    "is no library",
    (folder) => {
      COPY(folder);
      writeFileSync(join(folder, "chunker.node"), "not a library");
    },
    /too short|invalid ELF|not a mach-o|not a valid Win32/i,
  ],
  [
    "is empty",
    (folder) => {
      COPY(folder);
      writeFileSync(join(folder, "chunker.node"), "");
    },
    /too short|not a mach-o|not a valid Win32/i,
  ],
  [
    "lost its end",
    (folder) => {
      COPY(folder);
      truncateSync(join(folder, "chunker.node"), 1_000_000);
    },
    /cut off|not a mach-o|not a valid Win32/i,
  ],
  [
    "is of another version",
    (folder) => {
      writeFileSync(join(folder, "index.js"), 'exports.version = () => "0.0.1";');
    },
    /its version is 0\.0\.1 \(expected /,
  ],
  [
    "has other functions",
    (folder) => writeFileSync(join(folder, "index.js"), "exports.other = 1;"),
    /version is not a function/,
  ],
];

for (const [what, write, reason] of REFUSED) {
  test(`an addon that ${what} leaves WebAssembly, or the error that says so`, async (t) => {
    const folder = project(t, write);
    assert.equal((await run(PROGRAM, folder)).stdout, "wasm simd128 00000000\n");
    const { stdout } = await run(PROGRAM, folder, "native");
    assert.ok(stdout.startsWith("ChunkerError native_unavailable "), stdout);
    assert.ok(stdout.includes(`${name}: `), stdout);
    assert.match(stdout, reason);
  });
}

test("the ES modules and the CommonJS files share one addon", async () => {
  const program = `
    import { createRequire } from "node:module";
    import { backend } from "chunker-cdc";
    const required = createRequire(import.meta.url)("chunker-cdc");
    console.log(backend() === required.backend());`;
  assert.equal((await run(program, npm, "native")).stdout, "true\n");
});

test("a panic is an error of the call, and the next call works", () => {
  const { calling } = require("./dist/cjs/errors.js") as {
    calling<T>(call: () => T): T;
  };
  const addon = require(name) as { fail(): void; kernel(): string };
  assert.throws(() => calling(() => addon.fail()), {
    name: "ChunkerError",
    code: "internal_error",
    message: "on purpose",
  });
  assert.ok(addon.kernel().length > 0);
});

test("every function of the addon catches panics", () => {
  const source = join(npm, "../napi/src");
  const files = readdirSync(source, { recursive: true, encoding: "utf8" });
  let functions = 0;
  for (const file of files.filter((file) => file.endsWith(".rs"))) {
    const text = readFileSync(join(source, file), "utf8");
    for (const [, attribute = ""] of text.matchAll(/#\[napi(?:\(([^\]]*)\))?\]\s[^{]*?\bfn \w+/g)) {
      if (/\b(struct|impl)\b/.test(attribute)) continue;
      assert.match(attribute, /catch_unwind/, `${file}: ${attribute}`);
      functions++;
    }
  }
  assert.ok(functions > 50, `${functions} functions`);
});

const THREAD = `
  (async () => {
    const { parentPort, workerData } = await import("node:worker_threads");
    const { chunk, backend, Chunker } = await import(workerData.url);
    const data = new Uint8Array(workerData.length).map((_, at) => (at * at) >> 7);
    for (let round = 0; ; round++) {
      const found = await chunk(data, { profile: "small" });
      new Chunker().feed(data);
      parentPort.postMessage([backend(), found.length]);
      if (round === workerData.rounds) return;
    }
  })();`;

function thread(length: number, rounds: number): Worker {
  const url = pathToFileURL(require.resolve("chunker-cdc").replace("dist/cjs", "dist")).href;
  return new Worker(THREAD, { eval: true, workerData: { url, length, rounds } });
}

test("worker threads have the addon each, at the same time", async () => {
  const threads = Array.from({ length: 4 }, () => thread(5_000_000, 3));
  const answers = await Promise.all(
    threads.map(
      (worker) =>
        new Promise<unknown[]>((resolve, reject) => {
          const said: unknown[] = [];
          worker.on("message", (message) => said.push(message));
          worker.on("error", reject);
          worker.on("exit", () => resolve(said));
        }),
    ),
  );
  const [first] = answers;
  assert.equal(first?.length, 4);
  for (const each of answers) assert.deepEqual(each, first);
  assert.ok(JSON.stringify(first).startsWith('[["native'), JSON.stringify(first));
});

test("a worker thread can be terminated at any moment of its work", async () => {
  const program = `
    import { Worker } from "node:worker_threads";
    const workerData = { url: import.meta.resolve("chunker-cdc"), length: 20_000_000, rounds: -1 };
    for (let ms = 0; ms < 300; ms += 30) {
      const worker = new Worker(${JSON.stringify(THREAD)}, { eval: true, workerData });
      await new Promise((resolve) => worker.once("message", resolve));
      await new Promise((resolve) => setTimeout(resolve, ms));
      await worker.terminate();
    }
    console.log("alive");`;
  assert.deepEqual(await run(program, npm, "native"), { stdout: "alive\n", stderr: "", code: 0 });
});

test("a process can exit at any moment of its work", async () => {
  for (const leave of ["process.exit(7)", "process.reallyExit(7)", "process.exitCode = 7"]) {
    for (const ms of [0, 5, 50]) {
      const program = `
        import { chunk, chunks } from "chunker-cdc";
        const data = new Uint8Array(200_000_000);
        for (let i = 0; i < 3; i++) chunk(data, { profile: { hash: "sha256" } });
        const left = chunks(data);
        await left.next();
        setTimeout(() => ${leave}, ${ms});`;
      const { code, stderr } = await run(program, npm, "native");
      assert.deepEqual({ code, stderr }, { code: 7, stderr: "" }, `${leave} after ${ms} ms`);
    }
  }
});

test("a file gives the chunks of its bytes, by its path, its URL or an open blob", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "chunker-file-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "ein Ünicode-Name #1.bin");
  for (const length of [0, 1, 5_000_000, 30_000_001]) {
    const data = splitMix64(length, length);
    writeFileSync(path, data);
    for (const profile of ["small", "large"]) {
      const wanted: api.Chunk[] = [];
      const chunker = new api.Chunker({ profile });
      wanted.push(...chunker.feed(data), ...chunker.finish());
      const seen: number[] = [];
      const onProgress = ({ bytesRead }: api.Progress) => seen.push(bytesRead);
      assert.deepEqual(await api.chunk(path, { profile, onProgress }), wanted);
      assert.equal(seen.at(-1) ?? 0, length);
      assert.deepEqual(await api.chunk(pathToFileURL(path), { profile }), wanted);
      const found: api.Chunk[] = [];
      for await (const { chunk, payload } of api.chunksWithPayload(path, { profile })) {
        assert.deepEqual(payload.length, chunk.length);
        found.push(chunk);
      }
      assert.deepEqual(found, wanted);
      await api.Manifest.create(profile, wanted).verify(path);
    }
  }
});

test("an abort and leaving the loop stop the reading of a file", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "chunker-file-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  writeFileSync(path, new Uint8Array(300_000_000));
  for await (const _ of api.chunks(path)) break;
  const controller = new AbortController();
  const reading = api.chunk(path, { signal: controller.signal });
  setTimeout(() => controller.abort("enough"), 5);
  await assert.rejects(reading, { name: "ChunkerError", code: "aborted", cause: "enough" });
  await assert.rejects(api.chunk(dirname(path)), { name: "ChunkerError", code: "io_error" });
});
