import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DedupError, UploadQueue } from "chunker-cdc/dedup";
import { PackShare, suppliesOf } from "../../dist/dedup/supplies.js";
import { codeOf, MemoryTransport, randomBytes, SMALL } from "./support.js";

const profile = SMALL;

test("files are taken in turn, and share packs in flight and memory", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 60_000 };
  transport.fault = async ({ method }) => {
    if (method === "putPack") await sleep(1);
  };
  const queue = new UploadQueue({ transport, profile, files: 3, concurrency: 2 });
  const sources = Array.from({ length: 12 }, (_, seed) =>
    randomBytes(50_000 + 20_000 * seed, seed),
  );
  let running = 0;
  let most = 0;
  const uploads = sources.map((source) => {
    const upload = queue.add(source);
    upload.done.then(() => {
      running = queue.uploads.filter(({ state }) => state === "running").length;
      most = Math.max(most, running);
    });
    return upload;
  });
  assert.deepEqual(queue.uploads.map(({ state }) => state).slice(0, 5), [
    "running",
    "running",
    "running",
    "waiting",
    "waiting",
  ]);
  await queue.settled();
  assert.equal(most, 3);
  assert.equal(transport.mostSending, 2);
  const total = sources.reduce((sum, { length }) => sum + length, 0);
  const { bytesDone, totalBytes, bytesRead } = queue.progress;
  assert.deepEqual([bytesDone, totalBytes, bytesRead], [total, total, total]);
  for (const [index, { done }] of uploads.entries()) {
    assert.deepEqual(transport.store.file((await done).root), Buffer.from(sources[index] ?? []));
  }
});

test("a file that is known after all ends its upload, and nothing is given back twice", async () => {
  const transport = new MemoryTransport();
  const file = randomBytes(20_000_001, 3);
  const queue = new UploadQueue({ transport, profile, files: 1, concurrency: 1 });
  await queue.add(file).done;
  const [asked, sending, done] = [eventually(), eventually(), eventually()];
  const { limits } = transport.store;
  transport.missing = async (_, digests) => {
    await asked.happened;
    return { missing: new Uint8Array(digests.length / 32).fill(255), limits };
  };
  transport.fault = async ({ method }) => {
    if (method === "putManifest") {
      asked.happens();
      await sending.happened;
    } else if (method === "putPack") {
      sending.happens();
      await done.happened;
    }
  };
  const { bytesDone, bytesInTransit } = await queue.add(file).done;
  assert.deepEqual([bytesDone, bytesInTransit], [file.length, 0]);
  done.happens();
  while (transport.sending > 0) await sleep(1);
  transport.mostSending = 0;
  transport.store.limits = { ...limits, packBytes: 100_000 };
  transport.fault = () => {};
  await queue.add(randomBytes(2_000_000, 4)).done;
  assert.equal(transport.mostSending, 1);
});

/** Returns a promise, and how to resolve it. */
function eventually() {
  let happens = () => {};
  const happened = new Promise<void>((resolve) => {
    happens = resolve;
  });
  return { happened, happens };
}

test("while packs wait for answers, others are sent, within bounds that all files share", async () => {
  for (const packBytes of [50_000, 10_000_000]) {
    const transport = new MemoryTransport();
    transport.store.limits = { ...transport.store.limits, packBytes };
    const { putPack } = transport;
    const now = { unsent: 0, unanswered: 0, bytes: 0 };
    const most = { ...now };
    const change = (by: typeof now) => {
      for (const key of ["unsent", "unanswered", "bytes"] as const) {
        now[key] += by[key];
        most[key] = Math.max(most[key], now[key]);
      }
    };
    transport.putPack = async (hash, pack, options) => {
      change({ unsent: 1, unanswered: 1, bytes: pack.length });
      await sleep(1);
      change({ unsent: -1, unanswered: 0, bytes: 0 });
      options.onSent?.(pack.length);
      await sleep(20);
      change({ unsent: 0, unanswered: -1, bytes: -pack.length });
      await putPack.call(transport, hash, pack, options);
    };
    const maxBytesInFlight = 1_000_000;
    const queue = new UploadQueue({
      transport,
      profile,
      files: 2,
      concurrency: 3,
      maxBytesInFlight,
    });
    const uploads = [21, 22].map((seed) => queue.add(randomBytes(2_000_000, seed)));
    for (const { done } of uploads) await done;
    assert.equal(most.unsent, 3);
    assert.equal(most.unanswered, packBytes < 100_000 ? 5 : 3);
    assert.ok(most.bytes < 0.8 * maxBytesInFlight, `${most.bytes} bytes`);
  }
});

test("packs that are sent again keep to the limit, too, and wait without a warning", async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 50_000 };
  const { putPack } = transport;
  const { happened: isUp, happens: comeUp } = eventually();
  let isDown = true;
  let unsent = 0;
  let unanswered = 0;
  let most = 0;
  transport.putPack = async (hash, pack, options) => {
    unsent += 1;
    unanswered += 1;
    most = Math.max(most, unsent);
    await sleep(2);
    unsent -= 1;
    options.onSent?.(pack.length);
    // The server answers nothing until as many packs as possible wait, and then refuses them.
    const isRefused = isDown;
    if (unanswered === 11) comeUp();
    if (isRefused) await isUp;
    isDown = false;
    unanswered -= 1;
    if (isRefused) throw new DedupError("busy", "", { status: 503, retryable: true });
    await putPack.call(transport, hash, pack, options);
  };
  const retry = { baseDelayMs: 5, maxDelayMs: 5 };
  const { done } = new UploadQueue({ transport, profile, concurrency: 6, retry }).add(
    randomBytes(9_000_000, 23), // so long that the first question is answered before its end
  );
  const { retries } = await done;
  assert.ok(retries >= 10, `${retries} retries`);
  assert.equal(most, 6);
  assert.deepEqual(warnings, []);
});

test("an upload that is cancelled just as it goes on gives back what it shares", async () => {
  for (let ticks = 0; ticks < 9; ticks += 1) {
    const transport = new MemoryTransport();
    const shared = { transport, profile, files: 1, concurrency: 1, maxBytesInFlight: 60_000 };
    const queue = new UploadQueue(shared);
    const { happened: isAsked, happens } = eventually();
    transport.fault = ({ method }) => {
      if (method === "putManifest") happens();
    };
    const first = queue.add(randomBytes(100_000, 24));
    await isAsked;
    first.pause();
    await sleep(10);
    first.resume();
    for (let tick = 0; tick < ticks; tick += 1) await null;
    first.cancel();
    await first.done.catch(() => {});
    transport.fault = () => {};
    await queue.add(randomBytes(100_000, 25)).done;
  }
});

test("while an upload is paused, others send in its place, and it goes on where it was", {
  timeout: 30_000,
}, async () => {
  for (const concurrency of [1, 3]) {
    const transport = new MemoryTransport();
    const { putPack } = transport;
    const { happened: isSent, happens } = eventually();
    let isSlow = true;
    transport.putPack = async (hash, pack, options) => {
      happens();
      // The pause ends these.
      if (isSlow)
        await new Promise((_, reject) => options.signal.addEventListener("abort", reject));
      await putPack.call(transport, hash, pack, options);
    };
    const limits = { files: 2, concurrency, maxBytesInFlight: 400_000 };
    const shared = { transport, profile, assumeNew: true, ...limits };
    const queue = new UploadQueue(shared);
    const [long, short] = [randomBytes(2_000_000, 26), randomBytes(1_000_000, 27)];
    const paused = queue.add(long);
    await isSent;
    await sleep(50); // until it has read as much as it may
    paused.pause();
    await sleep(2_100);
    isSlow = false;
    assert.equal((await queue.add(short).done).bytesSent, short.length);
    assert.deepEqual([paused.state, paused.progress.bytesSent], ["paused", 0]);
    paused.resume();
    assert.equal((await paused.done).bytesSent, long.length);
  }
});

test("a pack that is paused while it waits holds up no other", { timeout: 5_000 }, async () => {
  const supplies = suppliesOf({ maxBytesInFlight: 100, concurrency: 1 });
  const [first, paused, last] = [10, 40, 40].map((size) => new PackShare(supplies, size)) as [
    PackShare,
    PackShare,
    PackShare,
  ];
  await first.take();
  const turns = paused.take();
  await sleep(1);
  paused.rest();
  const others = last.take();
  await sleep(1);
  const again = paused.take();
  first.end();
  await others;
  last.end();
  await Promise.all([turns, again]);
  assert.equal(paused.lacks, false);
  paused.end();
  assert.ok(supplies.turns.tryTake(2) && supplies.unanswered.tryTake(50));
});

test("a pack that waits for its turn grows with what is read meanwhile, but not beyond what all share", async () => {
  const supplies = suppliesOf({ maxBytesInFlight: 100, concurrency: 1 });
  const share = new PackShare(supplies, 20);
  await share.take();
  share.grow(30);
  assert.equal(share.size, 30);
  share.grow(20);
  share.grow(60);
  assert.deepEqual([share.size, share.lacks], [30, false]);
  assert.ok(!supplies.unanswered.tryTake(21));
  share.end();
  assert.ok(supplies.unanswered.tryTake(50));
});

test("a failure or a cancel of one does not stop the others, nor keeps what they share", async () => {
  const transport = new MemoryTransport();
  transport.store.limits = { ...transport.store.limits, packBytes: 60_000 };
  const shared = { transport, profile, files: 2, concurrency: 1, maxBytesInFlight: 100_000 };
  const queue = new UploadQueue(shared);
  transport.fault = async ({ method, count }) => {
    await sleep(1);
    if (method === "putPack" && [2, 9].includes(count)) {
      throw new DedupError("forbidden", "", { status: 403 });
    }
  };
  const uploads = Array.from({ length: 8 }, (_, seed) => queue.add(randomBytes(300_000, seed)));
  const aborted = new AbortController();
  uploads.push(queue.add(randomBytes(300_000, 20), { signal: aborted.signal }));
  uploads[5]?.cancel();
  setTimeout(() => uploads[1]?.cancel(), 5);
  aborted.abort();
  await queue.settled();
  const states = uploads.map(({ state }) => state);
  assert.equal(states.filter((state) => state === "failed").length, 2);
  assert.equal(states[5], "cancelled");
  assert.equal(states[8], "cancelled");
  const done = states.filter((state) => state === "done").length;
  assert.equal(transport.manifests.size, done);
  assert.ok(done >= 4);
});

test("a queue pauses, goes on and is cancelled as a whole", async () => {
  const transport = new MemoryTransport();
  const queue = new UploadQueue({ transport, profile });
  queue.pause();
  const uploads = [1, 2, 3].map((seed) => queue.add(randomBytes(200_000, seed)));
  await sleep(30);
  assert.equal(transport.calls.size, 0);
  assert.equal(uploads[0]?.state, "paused");
  queue.resume();
  await queue.settled();
  assert.equal(transport.manifests.size, 3);
  transport.fault = () => sleep(20).then(() => {});
  const later = [4, 5, 6].map((seed) => queue.add(randomBytes(200_000, seed)));
  queue.cancel();
  for (const { done } of later) assert.equal(await codeOf(done), "aborted");
  assert.equal(transport.manifests.size, 3);
});

test("wrong options are refused", () => {
  const transport = new MemoryTransport();
  assert.throws(() => new UploadQueue({ transport, files: 0 }), { code: "invalid_argument" });
  assert.throws(() => new UploadQueue({ transport, parallel: 3 } as never), {
    code: "invalid_argument",
  });
  const Any = UploadQueue as unknown as new (...of: unknown[]) => UploadQueue;
  for (const absent of [undefined, null, {}]) {
    assert.throws(() => new Any(absent), { code: "invalid_argument" });
  }
  const queue = new UploadQueue({ transport });
  assert.throws(() => queue.add(randomBytes(10, 1), { profile: "small" } as never), {
    code: "invalid_argument",
  });
});

test("of an upload that has ended a queue keeps where it stood, and nothing else", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const transport = new MemoryTransport();
  const queue = new UploadQueue({ transport, profile });
  const { signal } = new AbortController();
  const add = (seed: number) => {
    const source = randomBytes(100_000, seed);
    queue.add(source, { signal });
    return new WeakRef(source);
  };
  const sources = [20, 21, 22].map(add);
  queue.uploads[2]?.cancel();
  await queue.settled();
  assert.deepEqual(
    queue.uploads.map(({ progress, state }) => [state, progress.bytesDone]),
    [
      ["done", 100_000],
      ["done", 100_000],
      ["cancelled", 0],
    ],
  );
  assert.equal(queue.progress.bytesInTransit, 0);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
  for (const source of sources) {
    for (let tries = 0; source.deref() !== undefined && tries < 50; tries += 1) {
      await sleep(10);
      collectGarbage();
    }
    assert.equal(source.deref(), undefined);
  }
});
