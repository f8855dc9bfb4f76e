// The client against a server in a process of its own: that of this package or, where CHUNKER_SERVE names
// the command, `chunker serve`.

import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  deleteFile,
  download,
  HttpTransport,
  listFiles,
  Upload,
  type UploadProgress,
  upload,
  usage,
} from "chunker-cdc/dedup";
import {
  codeOf,
  collect,
  compressibleBytes,
  randomBytes,
  SMALL,
  splitMix64,
  temporaryDirectory,
} from "./support.js";

const COMMAND = process.env.CHUNKER_SERVE;
const SCRIPT = fileURLToPath(new URL("./server-process.js", import.meta.url));
const SEED = Number(process.env.CHUNKER_KILL_SEED ?? 20);
const KILLS = 20;
const profile = SMALL;
const data = randomBytes(2_000_001, 1);

interface Serving {
  readonly baseUrl: string;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

async function serve(store: string, port = 0, token?: string): Promise<Serving> {
  const child: ChildProcess = spawn(...commandOf(store, port, token), {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...(token === undefined ? {} : { CHUNKER_TOKEN: token }) },
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [line] = await Promise.race([
    once(lines, "line"),
    exited.then(() => Promise.reject(new Error("the server ended"))),
  ]);
  return {
    baseUrl: new URL(COMMAND === undefined ? line : JSON.parse(line).url).origin,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function commandOf(store: string, port: number, token?: string): [string, string[]] {
  if (COMMAND !== undefined) {
    return [COMMAND, ["serve", "--json", "--store", store, "--listen", `127.0.0.1:${port}`]];
  }
  const tokens = token === undefined ? [] : ["--token", token];
  return [process.execPath, [SCRIPT, "--port", String(port), ...tokens, store]];
}

async function serving(t: TestContext, token?: string) {
  const server = await serve(await temporaryDirectory(), 0, token);
  t.after(() => server.kill());
  return { ...server, transport: new HttpTransport({ baseUrl: server.baseUrl }) };
}

test("what is uploaded is what is downloaded, by every way, raw and compressed", async (t) => {
  const { transport } = await serving(t);
  const mixed = new Uint8Array(Buffer.concat([data, compressibleBytes(500_000, 2), data]));
  for (const hash of ["sha256", "blake3"] as const) {
    for (const compression of [undefined, "zstd"] as const) {
      for (const bytes of [new Uint8Array(0), data.slice(0, 1), mixed]) {
        const own = { ...profile, hash };
        const stream = new Blob([bytes]).stream();
        const { root, bytesDone } = await upload(stream, { transport, profile: own, compression });
        assert.equal(bytesDone, bytes.length);
        const again = await upload(bytes, { transport, profile: own, assumeNew: true });
        assert.equal(again.root, root);
        const back = await collect(download(root, { transport, compression }));
        assert.ok(back.equals(bytes));
        const whole = await fetch(transport.fileUrl(root, { name: "a", type: "text/plain" }));
        assert.equal(whole.headers.get("content-type"), "text/plain; charset=utf-8");
        assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes));
      }
    }
  }
});

test("an edited copy moves only what changed, both ways", async (t) => {
  const { transport } = await serving(t);
  await upload(data, { transport, profile });
  const edited = Buffer.concat([data.subarray(0, 999_999), Buffer.from("new"), data.subarray(1e6)]);
  const { root, bytesSent } = await upload(edited, { transport, profile });
  assert.ok(bytesSent > 0 && bytesSent < 100_000, `${bytesSent} bytes sent`);
  const reading = download(root, { transport, reuse: data });
  assert.ok((await collect(reading)).equals(edited));
  const { bytesOnWire } = reading.progress;
  assert.ok(bytesOnWire > 0 && bytesOnWire < 100_000, `${bytesOnWire} bytes fetched`);
  const range = { start: 500_000, end: 1_500_001 };
  const part = await collect(download(root, { transport, range }));
  assert.ok(part.equals(edited.subarray(500_000, 1_500_001)));
});

test("files are listed, counted and deleted; a token is asked for", async (t) => {
  const token = "a-secret-of-enough-length-0123456789";
  const { baseUrl, transport: without } = await serving(t, token);
  assert.equal(await codeOf(upload(data, { transport: without, profile })), "unauthorized");
  const headers = { authorization: `Bearer ${token}` };
  const transport = new HttpTransport({ baseUrl, headers });
  const roots: string[] = [];
  for (let seed = 0; seed < 3; seed += 1) {
    const { root } = await upload(randomBytes(10_000, seed), { transport, profile });
    roots.push(root);
  }
  const listed: string[] = [];
  for await (const { root, length } of listFiles({ transport })) {
    assert.equal(length, 10_000);
    listed.push(root);
  }
  assert.deepEqual(listed, roots.sort());
  assert.equal((await usage({ transport })).files, 3);
  assert.equal(await deleteFile(roots[0] as string, { transport }), true);
  assert.equal(await deleteFile(roots[0] as string, { transport }), false);
  const absent = collect(download(roots[0] as string, { transport }));
  assert.equal(await codeOf(absent), "root_not_found");
});

test("a paused upload goes on, an aborted one starts over and sends less", async (t) => {
  const { transport } = await serving(t);
  const source = randomBytes(40_000_000, 3);
  const onProgress = ({ bytesDone }: UploadProgress) => {
    // More than six packs: the next upload may send that many before an answer says that their chunks are known.
    if (bytesDone >= 30_000_000) first.cancel();
  };
  const first = new Upload(source, { transport, profile, concurrency: 1, onProgress });
  while (first.progress.bytesDone === 0) await sleep(1);
  first.pause();
  first.resume();
  assert.equal(await codeOf(first.done), "aborted");
  const { root, bytesSent, bytesSaved } = await upload(source, { transport, profile });
  assert.ok(bytesSaved > 0 && bytesSent < source.length);
  assert.ok((await collect(download(root, { transport }))).equals(source));
});

test(`kill -9 of the server at ${KILLS} moments: uploads end, and are right`, async (t) => {
  const random = splitMix64(SEED);
  const store = await temporaryDirectory();
  let server = await serve(store);
  t.after(() => server.kill());
  const { baseUrl } = server;
  const port = Number(new URL(baseUrl).port);
  const transport = new HttpTransport({ baseUrl });
  const retry = { attempts: 60, baseDelayMs: 20, maxDelayMs: 200 };
  let deaths = 0;
  let uploads = 0;
  let ended = false;
  const killing = (async () => {
    while (!ended && deaths < KILLS) {
      await sleep(Number(random() % 400n));
      await server.kill();
      deaths += 1;
      server = await serve(store, port);
    }
  })();
  const roots: [string, number][] = [];
  while (deaths < KILLS) {
    const seed = 100 + uploads;
    const source = randomBytes(3_000_000, seed);
    const { root } = await upload(source, { transport, profile, retry });
    roots.push([root, seed]);
    uploads += 1;
  }
  ended = true;
  await killing;
  t.diagnostic(`${uploads} uploads, ${deaths} deaths`);
  for (const [root, seed] of roots) {
    const back = await collect(download(root, { transport, retry }));
    assert.ok(back.equals(randomBytes(3_000_000, seed)), root);
  }
});

test(`kill -9 of the client at ${KILLS} moments: the next one finishes the work`, async (t) => {
  const random = splitMix64(SEED + 1);
  const { transport, baseUrl } = await serving(t);
  const path = join(await temporaryDirectory(), "file");
  const source = randomBytes(20_000_000, 5);
  await writeFile(path, source);
  const script = fileURLToPath(new URL("./upload-process.js", import.meta.url));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = fork(script, [baseUrl, path]);
    const exited = once(child, "exit");
    await once(child, "message");
    await sleep(Number(random() % 800n));
    child.kill("SIGKILL");
    await exited;
  }
  const { root, bytesSaved } = await upload(source, { transport, profile });
  t.diagnostic(`${bytesSaved} of ${source.length} bytes were there`);
  assert.ok(bytesSaved > 0);
  assert.ok((await collect(download(root, { transport }))).equals(source));
});
