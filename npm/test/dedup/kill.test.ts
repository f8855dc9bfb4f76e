import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChunkerError } from "chunker-cdc";
import {
  download,
  HttpTransport,
  MemoryResumeStore,
  type UploadResult,
  upload,
} from "chunker-cdc/dedup";
import { startProcess } from "./servers.js";
import {
  collect,
  compressibleBytes,
  digestHex,
  SMALL,
  splitMix64,
  temporaryDirectory,
} from "./support.js";

const KILLS = 20;
const SEED = Number(process.env.CHUNKER_KILL_SEED ?? 20);

/** Checks the digest of every file with a name; returns how many there are. */
async function checkStore(root: string): Promise<number> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  let checked = 0;
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.startsWith(join(root, "tmp"))) continue;
    assert.equal(digestHex("sha256", await readFile(path)), entry.name, "partial or damaged");
    checked += 1;
  }
  return checked;
}

test(`kill -9 of the server at ${KILLS} moments loses and damages nothing`, {
  timeout: 180_000,
}, async (t) => {
  const root = await temporaryDirectory(t);
  const random = splitMix64(SEED);
  let server = await startProcess(root, 0);
  t.after(() => server.kill());
  const { port } = server;
  const transport = new HttpTransport({ baseUrl: `http://127.0.0.1:${port}` });
  const resume = new MemoryResumeStore();
  const retry = { attempts: 1000, baseDelayMs: 10, maxDelayMs: 50 };
  let page = new AbortController();
  let killing = true;
  let resumed = 0;
  let resumptions = 0;
  // File after file, however fast this machine is; a file whose page went away is taken up again.
  const uploads = (async () => {
    const finished: { data: Uint8Array; result: UploadResult }[] = [];
    while (killing || finished.length === 0) {
      const data = compressibleBytes(12_000_000, SEED + finished.length);
      const compression = finished.length % 2 === 0 ? "zstd" : undefined;
      const file = new File([data], `data-${finished.length}`, { lastModified: 0 });
      const { signal } = page;
      const settings = { transport, profile: SMALL, resume, retry, concurrency: 8, signal };
      try {
        const maxBytesInFlight = 1024 * 1024;
        const result = await upload(file, { ...settings, compression, maxBytesInFlight });
        resumed += result.bytesResumed;
        finished.push({ data, result });
      } catch (error) {
        assert.equal((error as ChunkerError).code, "aborted");
        resumptions += 1;
      }
    }
    return finished;
  })();

  let stored = 0;
  let interrupted = 0;
  for (let kills = 1; kills <= KILLS; kills += 1) {
    await sleep(Number(random() % 300n));
    await server.kill();
    if ((await readdir(join(root, "tmp"))).length > 0) interrupted += 1;
    const now = await checkStore(root);
    assert.ok(now >= stored, "a stored chunk is lost");
    stored = now;
    if (kills % 7 === 0) {
      page.abort();
      page = new AbortController();
    }
    server = await startProcess(root, port);
  }
  killing = false;
  const finished = await uploads;
  for (const { data, result } of finished) {
    assert.deepEqual(await collect(download(result.rootDigest, { transport })), Buffer.from(data));
  }
  assert.ok(resumed > 0, "nothing was resumed");
  assert.ok(interrupted > 0, "no kill met a write");
  const count = await checkStore(root);
  const chunks = finished.reduce((sum, { result }) => sum + result.chunks, 0);
  assert.equal(count, chunks + finished.length);
  assert.deepEqual(await readdir(join(root, "tmp")), []);
  t.diagnostic(
    `seed ${SEED}: ${KILLS} kills, ${interrupted} of them amid a write, ${resumptions} pages gone, ${stored} files checked after the ` +
      `last kill; ${finished.length} uploads completed, ${resumed} bytes of them resumed, ` +
      `${chunks} chunks downloaded byte for byte`,
  );
});
