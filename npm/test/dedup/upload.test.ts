import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { appendFileSync, createReadStream, openAsBlob, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ChunkerError, chunk, type HashAlgorithm, Manifest } from "chunker-cdc";
import {
  type Body,
  type ChunkEvent,
  type CommitOptions,
  DedupError,
  download,
  type PutOptions,
  Upload,
  type UploadOptions,
  type UploadProgress,
  upload,
} from "chunker-cdc/dedup";
import { PackSize } from "../../dist/dedup/pack-size.js";
import {
  bytesOf,
  codeOf,
  collect,
  compressibleBytes,
  digestHex,
  hanging,
  MemoryTransport,
  type Method,
  QUICK,
  randomBytes,
  SMALL,
  splitMix64,
  temporaryDirectory,
  WRONG_RETRIES,
} from "./support.js";

const data = randomBytes(300_001, 1);
/** So long that questions are asked before its end. */
const long = randomBytes(9_000_001, 7);
const profile = SMALL;

/** The name of these bytes, found without an upload. */
async function rootOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  using manifest = Manifest.create(profile, await chunk(bytes, { profile }));
  return `${manifest.hash}-${manifest.rootDigestHex}`;
}

test("what is uploaded is what is downloaded, of every kind of source, by both hashes", async () => {
  const path = join(await temporaryDirectory(), "file");
  for (const length of [0, 1, 1024, 4096, 300_001]) {
    const bytes = data.slice(0, length);
    await writeFile(path, bytes);
    const sources = {
      bytes,
      buffer: bytes.slice().buffer,
      blob: new Blob([bytes]),
      stream: new Blob([bytes]).stream(),
      path,
      url: pathToFileURL(path),
      "node's stream": createReadStream(path),
      "node's stream of long pieces": createReadStream(path, { highWaterMark: 100_000 }),
      iterable: (async function* () {
        for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
      })(),
    };
    for (const [name, source] of Object.entries(sources)) {
      const transport = new MemoryTransport();
      const hash = name === "blob" ? "blake3" : "sha256";
      const result = await upload(source, { transport, profile: { ...profile, hash } });
      assert.match(result.root, new RegExp(`^${hash}-`));
      assert.deepEqual(await collect(download(result.root, { transport })), Buffer.from(bytes));
      const { bytesRead, bytesDone, bytesSent, bytesSaved, bytesInTransit } = result;
      assert.deepEqual([bytesRead, bytesDone, bytesInTransit], [length, length, 0], name);
      assert.equal(bytesSent + bytesSaved, length, name);
      if (hash === "sha256") assert.equal(result.root, await rootOf(bytes), name);
    }
  }
});

test("bytes read from a file stay as they are until their pack is sent, and then make room for others", async () => {
  const path = join(await temporaryDirectory(), "file");
  const bytes = randomBytes(40_000_000, 9);
  await writeFile(path, bytes);
  const transport = new MemoryTransport();
  const { putPack } = transport;
  const random = splitMix64(10);
  const buffers = new Set<ArrayBufferLike>();
  let [parts, lost, changed] = [0, 0, 0];
  transport.putPack = async (hash, pack, options) => {
    let long = 0;
    for (const part of pack.parts) {
      // Short parts, like the table of a pack, have buffers of their own.
      if (!(part instanceof Uint8Array) || part.length < 1_048_576) continue;
      long += 1;
      buffers.add(part.buffer);
    }
    parts += long;
    const sum = digestHex("sha256", await bytesOf(pack));
    await sleep(Number(random() % 20n));
    assert.equal(digestHex("sha256", await bytesOf(pack)), sum);
    if (random() % 4n === 0n) {
      lost += long;
      // What has failed may still be on its way.
      setTimeout(async () => {
        if (digestHex("sha256", await bytesOf(pack)) !== sum) changed += 1;
      }, 20);
      throw new DedupError("network_error", "reset", { retryable: true });
    }
    await putPack.call(transport, hash, pack, options);
  };
  const concurrency = 3;
  const uploading = { transport, profile: "medium", concurrency, retry: QUICK } as const;
  const { root } = await upload(path, { ...uploading, maxBytesInFlight: 12_000_000 });
  assert.ok((await collect(download(root, { transport }))).equals(bytes));
  await sleep(50);
  assert.equal(changed, 0);
  // Those of failed packs are lost, and after a failure, packs change their size.
  const most = lost + 3 * concurrency;
  assert.ok(parts > most && buffers.size <= most, `${parts} parts had ${buffers.size} buffers`);
});

test("an upload is of the bytes that it has read itself, whatever was uploaded before (law 1)", async () => {
  // The same name, size and date, one sector of it other: once after an interrupted upload.
  const changed = data.slice();
  changed.fill(0xee, 70_000, 70_512);
  const lastModified = 1_700_000_000_000;
  const before = new File([data], "container.hc", { lastModified });
  const after = new File([changed], "container.hc", { lastModified });
  for (let cutOff = 1; cutOff < 4; cutOff += 1) {
    const transport = new MemoryTransport();
    transport.store.limits = { ...transport.store.limits, packBytes: 65_536 };
    const stop = new AbortController();
    transport.fault = ({ method, count }) => {
      if (method === "putPack" && count === cutOff) stop.abort();
    };
    assert.equal(
      await codeOf(upload(before, { transport, profile, signal: stop.signal })),
      "aborted",
    );
    transport.fault = () => {};
    const [second, first] = await Promise.all([
      upload(after, { transport, profile }),
      upload(before, { transport, profile }),
    ]);
    assert.equal(second.root, await rootOf(changed));
    assert.equal(first.root, await rootOf(data));
    assert.deepEqual(transport.store.file(second.root), Buffer.from(changed));
  }
});

test("an upload that was cut off sends nothing again that the server took", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 40_000 };
  transport.fault = ({ method, count }) => {
    if (method === "putPack" && count === 4) throw new DedupError("forbidden", "", { status: 403 });
  };
  assert.equal(await codeOf(upload(data, { transport, profile, concurrency: 1 })), "forbidden");
  const taken = transport.sent.length;
  assert.ok(taken > 0);
  transport.fault = () => {};
  const { newChunks, chunks, root } = await upload(data, { transport, profile });
  assert.equal(newChunks, chunks - taken);
  assert.equal(new Set(transport.sent).size, transport.sent.length, "a chunk was sent twice");
  assert.deepEqual(transport.store.file(root), Buffer.from(data));
});

test("a chunk that the file repeats is sent once", async () => {
  const transport = new MemoryTransport();
  const twice = new Blob([data, data, data]);
  const result = await upload(twice, { transport, profile });
  assert.equal(transport.sent.length, new Set(transport.sent).size);
  assert.ok(result.bytesSent < data.length * 1.1);
  assert.equal(result.bytesSent + result.bytesSaved, twice.size);
  assert.equal(result.bytesDone, twice.size);
});

test("an edited copy sends only what changed", async () => {
  const transport = new MemoryTransport();
  await upload(data, { transport, profile });
  transport.sent.length = 0;
  const edited = new Blob([data.subarray(0, 150_000), "inserted", data.subarray(150_000)]);
  const result = await upload(edited, { transport, profile });
  assert.ok(result.newChunks >= 1 && result.newChunks <= 3, `${result.newChunks} new chunks`);
  assert.equal(transport.sent.length, result.newChunks);
});

test("chunks go in few packs, questions too, whatever the server's limits", async () => {
  const source = randomBytes(20_000_000, 3);
  const transport = new MemoryTransport();
  const { chunks } = await upload(source, { transport, profile });
  assert.ok(chunks > 3000);
  assert.ok(transport.store.packs.length <= 8, `${transport.store.packs.length} packs`);
  assert.ok(
    (transport.calls.get("missing") ?? 0) <= 8,
    `${transport.calls.get("missing")} questions`,
  );
  // The same, known.
  transport.calls.clear();
  await upload(source, { transport, profile });
  assert.ok(
    (transport.calls.get("missing") ?? 0) <= 6,
    `${transport.calls.get("missing")} questions`,
  );
  assert.equal(transport.calls.get("putPack"), undefined);
  // Questions grow while all is known, if nothing has to be held: 4, 8, 16, 32 and 64 MiB.
  const large = { transport, profile: "large" } as const;
  const longer = randomBytes(140_000_000, 6);
  await upload(longer, large);
  transport.calls.clear();
  await upload(longer, large);
  assert.ok(
    (transport.calls.get("missing") ?? 0) <= 7,
    `${transport.calls.get("missing")} questions`,
  );

  const narrow = new MemoryTransport();
  narrow.store.limits = { packBytes: 100_000, packChunks: 7, missingDigests: 3, readDigests: 5 };
  const { root } = await upload(data, { transport: narrow, profile, assumeNew: true });
  assert.ok(narrow.store.packs.every((bytes) => bytes <= 100_000));
  assert.deepEqual(await collect(download(root, { transport: narrow })), Buffer.from(data));
});

test("packs on their way when the limits become known are made again within them", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packChunks: 3 };
  transport.fault = async ({ method, count, signal }) => {
    if (method === "missing" && !transport.calls.has("limits")) await sleep(100, null, { signal });
    if (method === "putPack" && count > 0 && count < 4) await sleep(20);
  };
  const { root } = await upload(data, { transport, profile, maxBytesInFlight: 400_000 });
  assert.deepEqual(transport.store.file(root), Buffer.from(data));
});

test("questions on their way when the limits become known are asked again within them", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, missingDigests: 512 };
  transport.fault = async ({ method, count }) => {
    if (method === "missing" && count < 2) await sleep(200 * (count + 1));
  };
  const { root } = await upload(long, { transport, profile });
  assert.deepEqual(transport.store.file(root), Buffer.from(long));
});

test("where all was missing packs do not wait for answers; where chunks are known they do", async () => {
  const source = randomBytes(24_000_000, 4);
  const open: (() => void)[] = [];
  const fault = (transport: MemoryTransport, first: number) => {
    transport.fault = async ({ method, count }) => {
      if (method === "missing" && count >= first) {
        await new Promise<void>((resolve) => open.push(resolve));
      }
    };
  };
  const answer = () => {
    for (const resolve of open.splice(0)) resolve();
  };
  for (const assumeNew of [false, true]) {
    const transport = new MemoryTransport();
    fault(transport, assumeNew ? 0 : 1);
    const running = upload(source, { transport, profile, assumeNew });
    while (transport.sent.length < 4000) await sleep(5);
    const timer = setInterval(answer, 5);
    await running;
    clearInterval(timer);
    assert.equal(new Set(transport.sent).size, transport.sent.length, "a chunk was sent twice");
  }
  const transport = new MemoryTransport();
  await upload(source.subarray(0, 2_000_000), { transport, profile });
  const sent = transport.sent.length;
  transport.calls.clear();
  fault(transport, 1);
  const running = upload(source, { transport, profile });
  await sleep(100);
  const ahead = transport.sent.length - sent;
  assert.ok(ahead < 1200, `${ahead} chunks were sent without an answer`);
  const timer = setInterval(answer, 5);
  await running;
  clearInterval(timer);
});

test("an answer says nothing about chunks of earlier questions, which may be known", async () => {
  const transport = new MemoryTransport();
  await upload(long.subarray(0, 3_000_000), { transport, profile });
  transport.calls.clear();
  let answer = () => {};
  const laterAnswered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  transport.fault = async ({ method, count }) => {
    if (method !== "missing") return;
    // The first question is the only one about chunks that are known.
    if (count === 0) await laterAnswered;
    else setTimeout(answer, 50);
  };
  // So slowly that there are several questions before the first answer.
  async function* paced() {
    for (let at = 0; at < long.length; at += 1_000_000) {
      yield long.subarray(at, at + 1_000_000);
      await sleep(20);
    }
  }
  const { root } = await upload(paced(), { transport, profile });
  assert.ok((transport.calls.get("missing") ?? 0) > 1);
  assert.equal(new Set(transport.sent).size, transport.sent.length, "a chunk was sent twice");
  assert.deepEqual(transport.store.file(root), Buffer.from(long));
});

test("an answer counts when it arrives, even if the answer to an earlier question is late", async () => {
  const source = randomBytes(80_000_000, 5);
  const transport = new MemoryTransport();
  await upload(source.subarray(8_000_000), { transport, profile });
  transport.sent.length = 0;
  transport.calls.clear();
  transport.fault = async ({ method, count }) => {
    if (method === "missing" && count === 1) await sleep(500);
    if (method === "putPack") await sleep(20);
  };
  const { bytesSent, root } = await upload(new Blob([source]), { transport, profile });
  // The new chunks, and those that were sent before an answer said that they are known.
  assert.ok(bytesSent < source.length / 2, `${bytesSent} bytes sent`);
  assert.deepEqual(transport.store.file(root), Buffer.from(source));
});

test("a known file takes one request after its end, whatever was answered by then", async () => {
  const transport = new MemoryTransport();
  const first = await upload(long, { transport, profile });
  await upload(data, { transport, profile });
  transport.calls.clear();
  assert.equal((await upload(data, { transport, profile })).newChunks, 0);
  assert.deepEqual([...transport.calls], [["putManifest", 1]]);
  transport.calls.clear();
  transport.fault = ({ method, signal }) => (method === "missing" ? hanging(signal) : undefined);
  const options = { transport, profile, maxBytesInFlight: 1024 * 1024 };
  const { root, bytesSaved, bytesDone } = await upload(long, options);
  assert.deepEqual([root, bytesSaved, bytesDone], [first.root, long.length, long.length]);
  assert.equal(transport.calls.get("putManifest"), 1);
  assert.ok((transport.calls.get("missing") ?? 0) > 0);
});

test("a server that asks for a chunk outside the manifest ends the upload", async () => {
  const transport = new MemoryTransport();
  await upload(data, { transport, profile });
  const missing = ["00".repeat(32)];
  transport.fault = ({ method }) => {
    if (method === "putManifest") {
      throw new DedupError("chunks_missing", "", { status: 202, count: 1, missing });
    }
  };
  await assert.rejects(upload(data, { transport, profile }), { code: "protocol_error" });
});

test("a file that may be known is asked about now and then, however fast it is read", async () => {
  const transport = new MemoryTransport();
  const source = randomBytes(40_000_000, 32);
  await upload(source, { transport, profile: "medium" });
  const times: number[] = [];
  transport.fault = ({ method }) => {
    if (method === "missing") times.push(performance.now());
  };
  await upload(source, { transport, profile: "medium" });
  const gaps = times.slice(1).map((time, at) => time - (times[at] as number));
  assert.ok(times.length > 0 && gaps.every((gap) => gap >= 40), `after ${gaps.join(", ")} ms`);
});

test("a file that turns out to be new while it is checked is not committed as known", async () => {
  const transport = new MemoryTransport();
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  transport.fault = ({ method }) => (method === "missing" ? answered : undefined);
  const file = new Blob([long]);
  file.slice = (start, end) => {
    const part = Blob.prototype.slice.call(file, start, end);
    part.arrayBuffer = async () => {
      answer();
      await sleep(50);
      return Blob.prototype.arrayBuffer.call(part);
    };
    return part;
  };
  const { root } = await upload(file, { transport, profile });
  assert.equal(transport.calls.get("putManifest"), 1);
  assert.deepEqual(transport.store.file(root), Buffer.from(long));
});

test("of a file that may be known, reading runs ahead of the answers, but not without end", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method, signal }) => (method === "missing" ? hanging(signal) : undefined);
  const stop = new AbortController();
  let [read, chunks] = [0, 0];
  const onProgress = (progress: UploadProgress) => {
    [read, chunks] = [progress.bytesRead, progress.chunks];
  };
  const options = {
    transport,
    profile: { minSize: 128, avgSize: 256, maxSize: 1024 },
    maxBytesInFlight: 64 * 1024,
    signal: stop.signal,
    onProgress,
  };
  const uploading = upload(long, options);
  while (chunks < 16_384) await sleep(1);
  await sleep(50);
  assert.ok(chunks < 17_500, `${chunks} chunks`);
  assert.ok(read < long.length);
  stop.abort();
  assert.equal(await codeOf(uploading), "aborted");
});

test("an upload that has resolved leaves nothing that keeps the process alive", async () => {
  const transport = new MemoryTransport();
  await upload(long, { transport, profile });
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const open = new Set<AbortSignal>();
  const isUnanswered = { missing: true, putManifest: false };
  transport.fault = async ({ method, signal }) => {
    open.add(signal);
    if (isUnanswered[method as keyof typeof isUnanswered]) await hanging(signal);
    if (method === "putManifest") job.pause();
    open.delete(signal);
  };
  let job: Upload;
  for (const missing of [true, false]) {
    isUnanswered.missing = missing;
    // A known file, and a new one: paused while it is committed, which sets a timer.
    const source = missing ? long : randomBytes(9_000_001, 12);
    job = new Upload(source, { transport, profile });
    await job.done;
    assert.ok([...open].every(({ aborted }) => aborted));
    assert.equal(open.size > 0, missing);
    open.clear();
    const left = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    assert.equal(left, timers);
  }
});

test("the refusal of a file that was thought known says what to send", async () => {
  const transport = new MemoryTransport();
  const edited = data.slice().fill(0, 100_000, 101_000);
  await upload(data, { transport, profile });
  transport.calls.clear();
  const { root, bytesSent } = await upload(edited, { transport, profile });
  assert.deepEqual(
    [...transport.calls],
    [
      ["putManifest", 2],
      ["putPack", 1],
    ],
  );
  assert.ok(bytesSent < 50_000);
  assert.deepEqual(transport.store.file(root), Buffer.from(edited));
  // A refusal that does not name all of them is followed by a question.
  const { putManifest } = transport;
  transport.putManifest = async (...args) => {
    try {
      await putManifest.apply(transport, args);
    } catch (error) {
      const { code, missing, count = 0 } = error as DedupError;
      throw new DedupError(code, "", { missing: missing?.slice(1) ?? [], count });
    }
  };
  transport.calls.clear();
  const other = randomBytes(300_001, 8);
  await upload(other, { transport, profile });
  assert.deepEqual(
    [...transport.calls],
    [
      ["putManifest", 2],
      ["missing", 1],
      ["putPack", 1],
    ],
  );
});

test("progress only grows and ends with the totals; chunk events come in a sensible order", async () => {
  const transport = new MemoryTransport();
  await upload(data.subarray(0, 100_000), { transport, profile });
  const progress: UploadProgress[] = [];
  const states = new Map<number, string[]>();
  const onChunk = ({ index, state }: ChunkEvent) => {
    states.set(index, [...(states.get(index) ?? []), state]);
  };
  const source = new Blob([data, data]);
  const result = await upload(source, {
    transport,
    profile,
    onChunk,
    onProgress: (p) => progress.push(p),
  });
  const keys = [
    "bytesRead",
    "bytesDone",
    "bytesSent",
    "bytesSaved",
    "chunks",
    "newChunks",
  ] as const;
  for (const [index, now] of progress.entries()) {
    const before = progress[index - 1] ?? now;
    for (const key of keys) assert.ok(now[key] >= before[key], key);
    assert.ok(now.bytesDone <= now.bytesRead);
  }
  assert.ok(
    progress.some(({ bytesInTransit }) => bytesInTransit > 0),
    "nothing within a pack",
  );
  const { root: _, manifest: __, ...totals } = result;
  assert.deepEqual(progress.at(-1), totals);
  assert.equal(totals.bytesDone, source.size);
  assert.equal(states.size, result.chunks);
  const seen = new Set([...states.values()].map((list) => list.join(" ")));
  assert.deepEqual(seen, new Set(["found known", "found sending sent", "duplicate"]));
});

test("what is retryable is retried, and nothing else", async () => {
  const cases: [DedupError, boolean][] = [
    [new DedupError("network_error", "", { retryable: true }), true],
    [new DedupError("server_busy", "", { status: 503, retryable: true }), true],
    [new DedupError("forbidden", "", { status: 403 }), false],
  ];
  for (const [error, retried] of cases) {
    for (const method of ["missing", "putPack", "putManifest"] as const) {
      const transport = new MemoryTransport();
      // Of a longer file, questions are asked before its end.
      const source = method === "missing" ? long : data;
      transport.fault = (request) => {
        if (request.method === method && request.count < 2) throw error;
      };
      const code = await codeOf(upload(source, { transport, profile, retry: QUICK }));
      assert.equal(code, retried ? "resolved" : error.code, `${method} ${error.code}`);
      if (!retried && method === "missing") assert.equal(transport.calls.get(method), 1);
    }
  }
});

test("retries stop after the given attempts and wait as documented", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method }) => {
    if (method === "putManifest") {
      throw new DedupError("network_error", "down", { retryable: true });
    }
  };
  const delays: number[] = [];
  const retry = {
    attempts: 5,
    baseDelayMs: 8,
    maxDelayMs: 20,
    random: () => 1,
    onRetry: ({ delayMs }: { delayMs: number }) => delays.push(delayMs),
  };
  assert.equal(await codeOf(upload(data, { transport, profile, retry })), "network_error");
  assert.deepEqual(delays, [8, 16, 20, 20]);
  delays.length = 0;
  await codeOf(upload(data, { transport, profile, retry: { ...retry, random: () => 0 } }));
  assert.deepEqual(delays, [4, 8, 10, 10]);
  transport.fault = () => {
    throw new DedupError("server_busy", "busy", { retryable: true, retryAfterMs: 30 });
  };
  delays.length = 0;
  await codeOf(upload(data, { transport, profile, retry: { ...retry, attempts: 2 } }));
  assert.deepEqual(delays, [30]);
});

test("the size of packs stays within its bounds, and no loss makes them larger", () => {
  for (const most of [1, 1000, 142_857, 285_714, 375_000, 9_586_980, 2 ** 25]) {
    const size = new PackSize(most);
    const first = size.target;
    assert.ok(first >= 1 && first <= most, `${first} of ${most} at first`);
    size.lost(first);
    assert.ok(size.target <= first, `${size.target} of ${most} after a loss`);
    for (let turn = 0; turn < 20; turn += 1) size.taken(size.target, 1);
    assert.equal(size.target, most);
    size.taken(most, 5000);
    assert.ok(size.target <= most);
  }
});

test("packs sent before the limits are known stay within those that every server accepts", async () => {
  const transport = new MemoryTransport();
  const source = randomBytes(8_000_000, 5);
  let ended = 0;
  let late = 0;
  transport.fault = async ({ method }) => {
    if (method !== "putPack") return sleep(200);
    if (ended > 0) late += 1;
    await sleep(100);
    ended += 1;
  };
  const options = { transport, profile: "large", concurrency: 3, assumeNew: true } as const;
  const { root } = await upload(source, options);
  assert.equal(late, 0);
  assert.ok(transport.store.packs.every((bytes) => bytes <= 4 * 1024 * 1024));
  assert.deepEqual(transport.store.file(root), Buffer.from(source));
});

test("a pack that is lost on its way is sent again in smaller ones", async () => {
  const transport = new MemoryTransport();
  const source = randomBytes(6_000_000, 5);
  transport.fault = ({ method, count }) => {
    if (method === "putPack" && count < 4) {
      throw new DedupError("network_error", "reset", { retryable: true });
    }
  };
  const { root, retries } = await upload(source, { transport, profile, retry: QUICK });
  assert.equal(retries, 4);
  // Later ones grow again with what arrives quickly.
  assert.ok((transport.store.packs[0] ?? 0) < 2_200_000, transport.store.packs.join());
  assert.deepEqual(transport.store.file(root), Buffer.from(source));
});

test("chunks in flight and packs stay within their bounds; reading waits", async () => {
  const transport = new MemoryTransport();
  const total = 4 * 1024 * 1024;
  let read = 0;
  let most = 0;
  let finished = 0;
  const source = (async function* () {
    for (let at = 0; at < total; at += 8192) {
      read += 8192;
      most = Math.max(most, read - finished);
      yield randomBytes(8192, at + 2);
    }
  })();
  transport.fault = async ({ method }) => {
    if (method === "putPack") await sleep(1);
  };
  const onProgress = ({ bytesDone }: UploadProgress) => {
    finished = bytesDone;
  };
  const maxBytesInFlight = 256 * 1024;
  await upload(source, { transport, profile, concurrency: 3, maxBytesInFlight, onProgress });
  // Besides the budget: the chunk that waits for it, the one being cut, and one read.
  assert.ok(most <= maxBytesInFlight + 2 * SMALL.maxSize + 2 * 8192, `${most} bytes`);
  assert.ok(most >= maxBytesInFlight / 2, `${most} bytes: the budget is not used`);
  assert.equal(transport.mostSending, 3);
});

test("memory is bounded by the budget, also where little of what is read has to be sent", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc");
  const held = () => {
    collectGarbage();
    collectGarbage(); // waits until another thread has freed the buffers that the first one found
    return process.memoryUsage().arrayBuffers;
  };
  const block = randomBytes(1024 * 1024, 30);
  // Repetitions with something new between them; and known chunks with missing ones between them.
  const sources = [
    (part: number) => Buffer.concat([block, randomBytes(3000, 100 + part)]),
    (part: number) => {
      // As random, and drawn faster.
      const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16, part));
      return cipher.update(Buffer.alloc(1024 * 1024));
    },
  ];
  for (const [number, part] of sources.entries()) {
    const transport = new MemoryTransport();
    const count = 32;
    const file = async function* () {
      for (let at = 0; at < count; at += 1) yield part(at);
    };
    if (number === 1) {
      await upload(file(), { transport, profile });
      let left = 0;
      for (const name of transport.chunks.keys()) {
        left += 1;
        if (left % 64 === 0) transport.chunks.delete(name);
      }
    }
    const stored = () => transport.store.packs.reduce((sum, length) => sum + length, 0);
    const before = held() - stored();
    let most = 0;
    transport.fault = async ({ count }) => {
      await sleep(1);
      if (count % 4 === 0) most = Math.max(most, held() - stored() - before);
    };
    const maxBytesInFlight = 8 * 1024 * 1024;
    await upload(file(), { transport, profile, maxBytesInFlight });
    assert.ok(most < 3 * maxBytesInFlight, `source ${number}: ${most} bytes`);
  }
});

test("a chunk larger than the budget is sent alone", async () => {
  const transport = new MemoryTransport();
  const result = await upload(data, { transport, profile, maxBytesInFlight: 1 });
  assert.equal(result.bytesSent, data.length);
  assert.equal(transport.mostSending, 1);
});

test("an abort gets through at every request, whether it is answered or hangs (law 2)", {
  timeout: 20_000,
}, async () => {
  for (const method of ["missing", "putPack", "putManifest"] as const) {
    for (const hang of [hanging, () => new Promise<never>(() => {})]) {
      const transport = new MemoryTransport();
      const controller = new AbortController();
      transport.fault = (request) => {
        if (request.method !== method) return;
        setImmediate(() => controller.abort());
        return hang(request.signal);
      };
      const source = method === "missing" ? long : data;
      const running = upload(source, { transport, profile, signal: controller.signal });
      assert.equal(await codeOf(running), "aborted", method);
    }
  }
  const controller = new AbortController();
  controller.abort();
  const transport = new MemoryTransport();
  const error = await upload(data, { transport, signal: controller.signal }).catch((e) => e);
  assert.ok(error instanceof ChunkerError && error.code === "aborted");
  assert.equal(transport.calls.size, 0);
});

test("an abort gets through a source that never answers, and a wait before a retry", {
  timeout: 5000,
}, async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  const source = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const transport = new MemoryTransport();
  const { signal } = controller;
  assert.equal(await codeOf(upload(source, { transport, profile, signal })), "aborted");

  transport.fault = () => {
    throw new DedupError("network_error", "down", { retryable: true });
  };
  const second = new AbortController();
  const retry = { baseDelayMs: 60_000, maxDelayMs: 60_000, onRetry: () => second.abort() };
  const running = upload(data, { transport, profile, retry, signal: second.signal });
  assert.equal(await codeOf(running), "aborted");
});

test("an abort at any moment ends the upload, and what follows is whole", async () => {
  const random = splitMix64(7);
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 30_000, missingDigests: 10 };
  for (let round = 0; round < 40; round += 1) {
    const controller = new AbortController();
    const at = Number(random() % 30n);
    let calls = 0;
    transport.fault = () => {
      calls += 1;
      if (calls === at) controller.abort();
    };
    const bytes = randomBytes(200_000, round);
    const code = await codeOf(upload(bytes, { transport, profile, signal: controller.signal }));
    assert.ok(code === "aborted" || code === "resolved", String(code));
    const { root } = await upload(bytes, { transport, profile });
    assert.deepEqual(transport.store.file(root), Buffer.from(bytes));
  }
});

test("after a failure nothing is reported and nothing is unhandled", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  let settled = false;
  let late = 0;
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 20_000 };
  transport.fault = async ({ method, count }) => {
    if (method !== "putPack") return;
    await sleep(count % 7);
    if (count === 5) throw new DedupError("forbidden", "refused", { status: 403 });
  };
  const report = () => {
    if (settled) late += 1;
  };
  const code = await codeOf(
    upload(data, { transport, profile, concurrency: 8, onChunk: report, onProgress: report }),
  );
  settled = true;
  await sleep(30);
  process.off("unhandledRejection", onUnhandled);
  assert.equal(code, "forbidden");
  assert.equal(late, 0);
  assert.deepEqual(unhandled, []);
});

test("an error of a callback or a source is the upload's error", async () => {
  const thrown = new Error("mine");
  const fail = () => {
    throw thrown;
  };
  const transport = new MemoryTransport();
  await assert.rejects(upload(data, { transport, profile, onProgress: fail }), thrown);
  await assert.rejects(upload(data, { transport, profile, onChunk: fail }), thrown);
  await upload(data, { transport, profile });
  const onChunk = ({ state }: ChunkEvent) => state === "known" && fail();
  await assert.rejects(upload(data, { transport, profile, onChunk }), thrown);
  const source = (async function* () {
    yield data;
    throw thrown;
  })();
  await assert.rejects(upload(source, { transport, profile }), thrown);
});

test("chunks that the server loses before the commit are sent again, if the source allows", async () => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, data);
  const lose = (transport: MemoryTransport) => {
    transport.fault = ({ method, count }) => {
      if (method !== "putManifest" || count > 1) return;
      for (const digest of transport.sent.slice(0, 7)) transport.chunks.delete(`sha256-${digest}`);
    };
  };
  for (const source of [data, new Blob([data]), path]) {
    for (const takesBlobs of [false, true]) {
      const transport = new MemoryTransport();
      transport.takesBlobs = takesBlobs;
      lose(transport);
      const result = await upload(source, { transport, profile });
      assert.ok(result.bytesSent > data.length);
      assert.equal(result.bytesDone, data.length);
      assert.deepEqual(transport.store.file(result.root), Buffer.from(data));
    }
  }
  const transport = new MemoryTransport();
  lose(transport);
  const stream = new Blob([data]).stream();
  assert.equal(await codeOf(upload(stream, { transport, profile })), "chunks_missing");
});

test("a server that loses whatever it confirms ends the upload", async () => {
  const transport = new MemoryTransport();
  transport.fault = ({ method }) => {
    if (method === "putManifest") transport.chunks.clear();
  };
  assert.equal(await codeOf(upload(data, { transport, profile })), "chunks_missing");
  assert.equal(transport.calls.get("putManifest"), 1 + 5, "the first asks");
});

test("a source that is not as long as announced is noticed and not committed", async () => {
  for (const size of [data.length - 1, data.length + 1, 0]) {
    const transport = new MemoryTransport();
    const stream = new Blob([data]).stream();
    assert.equal(await codeOf(upload(stream, { transport, profile, size })), "source_changed");
    assert.equal(transport.manifests.size, 0);
  }
});

test("a file that can no longer be read is a typed error with its cause", async () => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, data);
  const file = await openAsBlob(path);
  await writeFile(path, data.subarray(5));
  const transport = new MemoryTransport();
  const error = await upload(file, { transport, profile }).catch((e) => e);
  assert.equal(error.code, "source_unreadable");
  assert.ok(error.cause instanceof Error);
  assert.equal(transport.manifests.size, 0);
});

test("bytes that change between hashing and sending are never committed", async () => {
  for (const takesBlobs of [false, true]) {
    const bytes = data.slice();
    const transport = new MemoryTransport();
    transport.takesBlobs = takesBlobs;
    transport.fault = ({ method }) => {
      if (method === "putManifest") bytes.fill(0, 100_000, 200_000);
    };
    assert.equal(await codeOf(upload(bytes, { transport, profile })), "source_changed");
    assert.equal(transport.manifests.size, 0);
  }
});

test("a file given by its path that changes before it is sent is never committed", async () => {
  const path = join(await temporaryDirectory(), "file");
  for (const changed of [data.slice().fill(0, 100_000, 200_000), data.subarray(0, 200_000)]) {
    await writeFile(path, data);
    const transport = new MemoryTransport();
    transport.fault = ({ method }) => {
      if (method === "putManifest") writeFileSync(path, changed);
    };
    assert.equal(await codeOf(upload(path, { transport, profile })), "source_changed");
    assert.equal(transport.manifests.size, 0);
  }
  await writeFile(path, data);
  const { root } = await upload(path, { transport: new MemoryTransport(), profile });
  assert.equal(root, await rootOf(data));
});

test("of a file given by its path, what the server has is read once, and not kept", async () => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, data);
  const transport = new MemoryTransport();
  await upload(path, { transport, profile });
  // Nothing would be left of it for a second read.
  transport.fault = ({ method }) => {
    if (method === "putManifest") writeFileSync(path, "");
  };
  const { root, bytesSent } = await upload(path, { transport, profile });
  assert.equal(root, await rootOf(data));
  assert.equal(bytesSent, 0);
});

test("the size of a file is known from the start, that of a stream once it is read", async () => {
  const path = join(await temporaryDirectory(), "file");
  await writeFile(path, long);
  for (const [source, known] of [
    [path, long.length],
    [createReadStream(path), undefined],
  ] as const) {
    const totals: (number | undefined)[] = [];
    const onProgress = ({ totalBytes }: UploadProgress) => totals.push(totalBytes);
    const transport = new MemoryTransport();
    const { totalBytes, bytesDone } = await upload(source, { transport, profile, onProgress });
    assert.deepEqual([totalBytes, bytesDone], [long.length, long.length]);
    assert.equal(totals[0], known);
  }
  // It grows when the first bytes are read: whether the rest is part of the upload or not, the total agrees.
  let grown = false;
  const onProgress = ({ totalBytes = 0, bytesRead }: UploadProgress) => {
    if (!grown) appendFileSync(path, data);
    grown = true;
    assert.ok(bytesRead <= totalBytes);
  };
  const transport = new MemoryTransport();
  const { totalBytes, manifest } = await upload(path, { transport, profile, onProgress });
  assert.equal(totalBytes, manifest.totalLength);
});

test("a file that the system makes up as it is read is read once", {
  skip: process.platform !== "linux",
}, async () => {
  const transport = new MemoryTransport();
  // It says how long the system has run.
  const { root, bytesSent } = await upload("/proc/uptime", {
    transport,
    onChunk: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15),
  });
  assert.equal(transport.store.file(root).length, bytesSent);
});

test("what a path names is read once if it cannot be read again, and its absence is an error", async () => {
  const path = join(await temporaryDirectory(), "pipe");
  const transport = new MemoryTransport();
  assert.equal(await codeOf(upload(path, { transport, profile })), "io_error");
  if (process.platform !== "win32") {
    execFileSync("mkfifo", [path]);
    const writing = writeFile(path, data);
    const { root } = await upload(path, { transport, profile });
    await writing;
    assert.deepEqual(transport.store.file(root), Buffer.from(data));
  }
});

test("a file that cannot be read any more is not taken for a network that is down", async () => {
  // A browser's `fetch` says "Failed to fetch" of both.
  const file = new Blob([data]);
  let gone = false;
  const slice = file.slice.bind(file);
  file.slice = (...args) => {
    const part = slice(...args);
    part.arrayBuffer = () =>
      gone
        ? Promise.reject(new DOMException("gone", "NotReadableError"))
        : slice(...args).arrayBuffer();
    return part;
  };
  const transport = new MemoryTransport();
  transport.takesBlobs = true;
  transport.fault = ({ method }) => {
    if (method !== "putPack") return;
    gone = true;
    throw new DedupError("network_error", "Failed to fetch", { retryable: true });
  };
  assert.equal(await codeOf(upload(file, { transport, profile })), "source_unreadable");
  assert.equal(transport.calls.get("putPack"), 1);
});

test("values of another realm are what they can do (law 7)", async () => {
  const foreign = runInNewContext("new Uint8Array(300_001)") as Uint8Array<ArrayBuffer>;
  foreign.set(data);
  class OtherBlob {
    readonly #blob = new Blob([data]);
    readonly size = data.length;
    stream = () => this.#blob.stream();
    arrayBuffer = () => this.#blob.arrayBuffer();
    slice = (start?: number, end?: number) => this.#blob.slice(start, end);
  }
  const file = new OtherBlob() as unknown as Blob;
  for (const value of [foreign, file] as unknown[]) {
    assert.ok(!(value instanceof Blob || value instanceof Uint8Array));
  }
  for (const source of [foreign, foreign.buffer, file]) {
    const transport = new MemoryTransport();
    // Sent, lost, and sent again from the source.
    transport.fault = ({ method, count }) => {
      if (method === "putManifest" && count === 0) transport.chunks.clear();
    };
    const { root } = await upload(source, { transport, profile });
    assert.deepEqual(transport.store.file(root), Buffer.from(data));
  }
});

test("compressed chunks arrive as what they are; where codecs cannot be loaded all go raw", async () => {
  const compressible = compressibleBytes(200_000, 21);
  const source = new Blob([compressible, randomBytes(200_000, 22)]);
  for (const takesBlobs of [false, true]) {
    const transport = new MemoryTransport();
    transport.takesBlobs = takesBlobs;
    const result = await upload(source, { transport, profile, compression: "zstd" });
    assert.ok(
      result.bytesOnWire > 290_000 && result.bytesOnWire < 330_000,
      `${result.bytesOnWire}`,
    );
    assert.equal(result.bytesSent, source.size);
    assert.deepEqual(transport.store.file(result.root), Buffer.from(await source.arrayBuffer()));
  }
});

test("pause stops reading and sending, resume goes on, cancel ends", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 100_000 };
  transport.fault = async ({ method }) => {
    if (method === "putPack") await sleep(2);
  };
  let read = 0;
  const source = async function* () {
    for (let at = 0; at < 100; at += 1) {
      read += 1;
      yield randomBytes(100_000, at);
    }
  };
  const settings: UploadOptions = { transport, profile, maxBytesInFlight: 500_000 };
  const paused = new Upload(source(), settings);
  assert.equal(paused.state, "running");
  while (transport.sent.length === 0) await sleep(1);
  paused.pause();
  assert.equal(paused.state, "paused");
  await sleep(60);
  const { calls } = transport;
  const [before, readBefore] = [new Map(calls), read];
  await sleep(60);
  assert.deepEqual(calls, before, "requests were sent");
  assert.equal(read, readBefore, "the source was read");
  paused.resume();
  const { root, bytesDone } = await paused.done;
  assert.equal(paused.state, "done");
  assert.equal(bytesDone, 10_000_000);
  assert.equal(transport.store.file(root).length, 10_000_000);

  const cancelled = new Upload(source(), { ...settings, transport: new MemoryTransport() });
  cancelled.pause();
  cancelled.cancel();
  assert.equal(await codeOf(cancelled.done), "aborted");
  assert.equal(cancelled.state, "cancelled");
  cancelled.cancel();
});

test("what hangs when an upload is paused is ended and sent again", {
  timeout: 20_000,
}, async () => {
  const transport = new MemoryTransport();
  const hung: Method[] = [];
  transport.fault = ({ method, count, signal }) => {
    if (count > 0 || method === "limits") return;
    hung.push(method);
    return hanging(signal);
  };
  const paused = new Upload(data, { transport, profile });
  for (const method of ["putManifest", "putPack"] as const) {
    while (!hung.includes(method)) await sleep(1);
    paused.pause();
    await sleep(2_100);
    paused.resume();
  }
  const { retries, root } = await paused.done;
  assert.equal(retries, 0);
  assert.deepEqual(transport.store.file(root), Buffer.from(data));
});

test("wrong options are refused before anything is sent", async () => {
  const transport = new MemoryTransport();
  const cases: [object, string][] = [
    [{ concurrency: 0 }, "invalid_argument"],
    [{ concurrency: 1.5 }, "invalid_argument"],
    [{ maxBytesInFlight: -1 }, "invalid_argument"],
    [{ profile: { avgSize: 3 } }, "invalid_chunking_options"],
    [{ profile: { minSize: 1024.5, avgSize: 4096, maxSize: 8192 } }, "invalid_chunking_options"],
    [{ chunkSize: 5 }, "invalid_argument"],
    [{ resume: {} }, "invalid_argument"],
    [{ transport: {} }, "invalid_argument"],
    [{ compression: "gzip" }, "invalid_argument"],
    [{ compressionLevel: 3 }, "invalid_argument"],
    [{ compression: "zstd", compressionLevel: 0 }, "invalid_argument"],
    [{ compression: "zstd", compressionLevel: 20 }, "invalid_argument"],
    [{ signal: 5 }, "invalid_argument"],
    [{ onProgress: 5 }, "invalid_argument"],
    [{ onChunk: {} }, "invalid_argument"],
    ...WRONG_RETRIES.map((retry): [object, string] => [{ retry }, "invalid_argument"]),
  ];
  for (const [wrong, code] of cases) {
    assert.equal(await codeOf(upload(data, { transport, ...wrong })), code, JSON.stringify(wrong));
  }
  const any = upload as (...of: unknown[]) => Promise<unknown>;
  for (const absent of [[data], [data, {}], [data, null], [], [undefined, { transport }]]) {
    assert.equal(await codeOf(any(...absent)), "invalid_argument", JSON.stringify(absent.slice(1)));
  }
  assert.equal(transport.calls.size, 0);
});

/** A promise, and what resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test("a commit that overtakes a pack is repeated when the packs are sent, before they are answered", {
  timeout: 20_000,
}, async () => {
  const [first, second] = [gate(), gate()];
  class Slow extends MemoryTransport {
    readonly commits: string[] = [];
    readonly #storing: Promise<void>[] = [];

    override putPack(hash: HashAlgorithm, pack: Body, options: PutOptions): Promise<void> {
      const storing = (async () => {
        await first.opened;
        options.onSent?.(pack.length);
        await second.opened;
        await super.putPack(hash, pack, options);
      })();
      this.#storing.push(storing);
      return storing;
    }

    override async putManifest(root: string, bytes: Uint8Array, options: CommitOptions) {
      if (options.expect === "sent") {
        this.commits.push(root);
        if (this.commits.length === 1) first.open();
        else {
          second.open();
          await Promise.all(this.#storing);
        }
      }
      await super.putManifest(root, bytes, options);
    }
  }
  const transport = new Slow();
  const { root, bytesDone } = await upload(data, { transport, profile });
  assert.ok(transport.manifests.has(root));
  assert.equal(bytesDone, data.length);
  assert.deepEqual(transport.commits, [root, root]);
});

/** Records the commits, and when they came, in milliseconds; the tests say what becomes of them. */
class Committing extends MemoryTransport {
  readonly commits: { readonly expect: CommitOptions["expect"]; readonly at: number }[] = [];
  commit: (options: CommitOptions) => Promise<void> = async () => {};
  /** What a pack waits for, once it is stored. */
  answer: () => Promise<void> = async () => {};

  get expected(): CommitOptions["expect"][] {
    return this.commits.map(({ expect }) => expect);
  }

  override async putPack(hash: HashAlgorithm, pack: Body, options: PutOptions): Promise<void> {
    await super.putPack(hash, pack, options);
    await this.answer();
  }

  override async putManifest(root: string, bytes: Uint8Array, options: CommitOptions) {
    this.commits.push({ expect: options.expect, at: performance.now() });
    await this.commit(options);
    await super.putManifest(root, bytes, options);
  }
}

test("a commit that takes long is awaited, not repeated", async () => {
  const transport = new Committing();
  transport.answer = () => sleep(50);
  transport.commit = () => sleep(1500);
  await upload(data, { transport, profile, assumeNew: true });
  assert.deepEqual(transport.expected, ["sent"]);
});

test("a commit is not repeated before the server wants it to be", async () => {
  // With a single attempt, too: the first commit is early, and does not count.
  for (const attempts of [10, 1]) {
    const transport = new Committing();
    transport.answer = () => sleep(100);
    const busy = { status: 503, retryable: true, retryAfterMs: 300 };
    transport.commit = async ({ expect }) => {
      if (expect === "sent") throw new DedupError("busy", "", busy);
    };
    const retry = { ...QUICK, attempts };
    const { retries } = await upload(data, { transport, profile, assumeNew: true, retry });
    const [first, second] = transport.commits;
    assert.deepEqual(transport.expected, ["sent", undefined]);
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 299);
    assert.equal(retries, 1);
  }
});

test("once a file is committed, nothing depends on the answers to its packs", async () => {
  const refused = new DedupError("unauthorized", "", { status: 401 });
  const busy = new DedupError("busy", "", { status: 503, retryable: true });
  const answers = {
    refused: () => Promise.reject(refused),
    busy: () => Promise.reject(busy),
    none: () => new Promise<never>(() => {}),
  };
  for (const [name, answer] of Object.entries(answers)) {
    const transport = new Committing();
    const { opened, open } = gate();
    transport.answer = async () => {
      await opened;
      await answer();
    };
    let packs = 0;
    transport.fault = ({ method }) => {
      if (method === "putPack") packs += 1;
      if (method === "putManifest") setTimeout(open, 5);
    };
    const { bytesSent, bytesDone, bytesInTransit, newChunks, chunks } = await upload(data, {
      transport,
      profile,
      assumeNew: true,
    });
    assert.deepEqual(transport.expected, ["sent"], name);
    assert.deepEqual([bytesSent, bytesDone], [data.length, data.length], name);
    assert.deepEqual([bytesInTransit, newChunks], [0, chunks], name);
    assert.ok(packs <= 3, `${name}: ${packs} packs`);
  }
});

test("what is reported of a pack after it has failed does not count", async () => {
  const transport = new MemoryTransport();
  const { putPack } = transport;
  let packs = 0;
  transport.putPack = async (hash, pack, options) => {
    packs += 1;
    if (packs > 1) return putPack.call(transport, hash, pack, options);
    setTimeout(() => options.onSent?.(pack.length), 5);
    throw new DedupError("network_error", "reset", { retryable: true });
  };
  const retry = { baseDelayMs: 100, random: () => 1 };
  const result = await upload(data, { transport, profile, assumeNew: true, retry });
  assert.equal(result.bytesInTransit, 0);
});

test("a request that a pause ended does not hide what the next one has sent", async () => {
  const transport = new MemoryTransport();
  const { putPack } = transport;
  const [late, sent] = [gate(), gate()];
  let packs = 0;
  transport.putPack = async (hash, pack, options) => {
    packs += 1;
    if (packs === 1) {
      await late.opened;
      throw new DedupError("network_error", "reset", { retryable: true });
    }
    options.onSent?.(100);
    await sent.opened;
    await putPack.call(transport, hash, pack, options);
  };
  const paused = new Upload(data, { transport, profile, assumeNew: true, concurrency: 1 });
  while (packs === 0) await sleep(1);
  paused.pause();
  await sleep(2_100);
  paused.resume();
  while (packs === 1) await sleep(1);
  late.open();
  await sleep(10);
  assert.equal(paused.progress.bytesInTransit, 100);
  sent.open();
  await paused.done;
});

test("an upload that is cancelled after its commit is done", async () => {
  const transport = new MemoryTransport();
  await upload(data, { transport, profile });
  const again: Upload = new Upload(data, {
    transport,
    profile,
    onProgress: ({ bytesDone }) => {
      if (bytesDone === data.length) again.cancel();
    },
  });
  const { root } = await again.done;
  assert.equal(root, await rootOf(data));
  assert.equal(again.state, "done");
});
