// How the pool divides an input among workers, which answer here in random order.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as api from "chunker-cdc";
import { core } from "../../dist/load.js";
import { inputOf } from "../../dist/pool/input.js";
import type { Cutting, Request } from "../../dist/pool/messages.js";
import type { Plan } from "../../dist/pool/plan.js";
import { Segments } from "../../dist/pool/segments.js";
import type { Listener, Workers } from "../../dist/pool/workers.js";
import { bytesOf, type Input, splitMix64 } from "../inputs.js";
import { iterable, piecesOf } from "../laws.js";

const PROFILE = "fastcdc-v2020/nc1/64-256-1024/blake3";
const PLAN: Plan = { segmentLength: 8192, window: 65_536, piece: 1500, overrun: 700, held: 40_000 };

/** Workers without threads: a random one answers next. */
class Bench {
  /** Bytes that were cut, by all of them. */
  work = 0;
  readonly #random: Uint8Array;
  #draws = 0;
  readonly #workers: BenchWorker[];

  constructor(workers: number, seed: number) {
    this.#random = splitMix64(seed, 65_536);
    this.#workers = Array.from({ length: workers }, () => new BenchWorker(this));
  }

  idle(): BenchWorker | undefined {
    return this.#workers.find(({ segments }) => segments === 0);
  }

  leastBusy(): BenchWorker {
    return this.idle() ?? (this.#workers[0] as BenchWorker);
  }

  /** Answers one request; returns whether there was one. */
  step(): boolean {
    const busy = this.#workers.filter(({ requests }) => requests.length > 0);
    const chosen = busy[(this.#random[this.#draws++ % 65_536] ?? 0) % Math.max(1, busy.length)];
    chosen?.answer();
    return chosen !== undefined;
  }
}

type Asking = Exclude<Request, { type: "open" | "close" }>;

class BenchWorker {
  readonly requests: Asking[] = [];
  readonly #bench: Bench;
  readonly #open = new Map<number, { listener: Listener; chunker: InstanceType<Push> }>();
  #opened = 0;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  get segments(): number {
    return this.#open.size;
  }

  open({ cutting }: { cutting: Cutting }, listener: Listener): number {
    const { PushChunker } = core();
    const chunker = new PushChunker(cutting.profile, cutting.offset, false);
    this.#open.set(this.#opened, { listener, chunker });
    return this.#opened++;
  }

  ask(request: Asking): void {
    this.requests.push(request);
  }

  end(segment: number): void {
    this.#open.get(segment)?.chunker.free();
    this.#open.delete(segment);
  }

  answer(): void {
    const request = this.requests.shift();
    const segment = request && this.#open.get(request.segment);
    if (request === undefined || segment === undefined) return;
    const { listener, chunker } = segment;
    const length = request.type === "feed" ? request.bytes.length : 0;
    this.#bench.work += length;
    const records = request.type === "feed" ? chunker.feed(request.bytes) : chunker.finish();
    listener.onReply({ segment: request.segment, length, records: [new Uint8Array(records)] });
  }
}

type Push = ReturnType<typeof core>["PushChunker"];

async function run(source: api.ByteSource, workers: number, seed: number, offset = 0) {
  const bench = new Bench(workers, seed);
  const { signal } = new AbortController();
  const input = inputOf(source, PLAN.held, signal, () => segments.advance());
  const segments = new Segments(
    bench as unknown as Workers,
    input,
    { profile: PROFILE, offset },
    PLAN,
  );
  const found: api.Chunk[] = [];
  let ended = false;
  const taking = (async () => {
    for (let each = await segments.next(); each !== undefined; each = await segments.next()) {
      found.push(...each);
    }
    ended = true;
  })();
  for (let idle = 0; !ended && idle < 1000; ) {
    idle = bench.step() ? 0 : idle + 1;
    if (seed % 3 > 0 || idle > 0) await new Promise(setImmediate);
  }
  assert.ok(ended, "nothing is left to do, but the end was not reached");
  await taking;
  return { found, work: bench.work };
}

const LENGTH = 150_001;
const HOSTILE: Input = {
  kind: "concat",
  parts: [
    { kind: "random", seed: 1, length: 3333 },
    { kind: "constant", byte: 0, length: 40 * LENGTH },
  ],
};
const INPUTS: Input[] = [
  { kind: "random", seed: 1, length: LENGTH },
  { kind: "text", seed: 2, length: LENGTH },
  { kind: "constant", byte: 0, length: LENGTH },
  { kind: "periodic", hex: "0001020304", length: LENGTH },
  { kind: "sparse", seed: 3, every: 700, length: LENGTH },
  {
    kind: "concat",
    parts: [
      { kind: "random", seed: 4, length: 20_000 },
      { kind: "constant", byte: 0xed, length: 30_001 },
      { kind: "random", seed: 5, length: 9000 },
      { kind: "periodic", hex: "0102", length: 50_000 },
      { kind: "text", seed: 6, length: 20_000 },
    ],
  },
];

test("whatever the order of answers, the chunks are those of one thread", async () => {
  let runs = 0;
  for (const [index, input] of INPUTS.entries()) {
    const data = bytesOf(input);
    const wanted = JSON.stringify(await api.chunk(data, { profile: PROFILE }));
    for (let seed = 0; seed < 24; seed++) {
      const workers = 1 + (seed % 4);
      const source = seed % 2 === 0 ? data : iterable(piecesOf(data, 97 + 400 * seed));
      const { found } = await run(source, workers, seed);
      assert.equal(JSON.stringify(found), wanted, `input ${index}, seed ${seed}`);
      runs++;
    }
  }
  console.log(`orders of answers: ${runs}`);
});

test("workers meet soon on random bytes, and the work lost is a small part", async () => {
  const data = splitMix64(7, 1_000_000);
  for (const workers of [2, 4]) {
    const { work } = await run(data, workers, 1);
    const lost = work / data.length - 1;
    console.log(`random: ${workers} workers, ${(100 * lost).toFixed(1)} % more work`);
    assert.ok(lost > 0.01, "the workers did not share the input");
    assert.ok(lost < 0.25, `${lost}`);
  }
});

test("on bytes where workers never meet the work lost is bounded", async () => {
  const data = bytesOf(HOSTILE);
  const wanted = JSON.stringify(await api.chunk(data, { profile: PROFILE }));
  for (const workers of [2, 4]) {
    const { found, work } = await run(data, workers, 1);
    assert.equal(JSON.stringify(found), wanted);
    const lost = work / data.length - 1;
    console.log(`hostile: ${workers} workers, ${(100 * lost).toFixed(1)} % more work`);
    assert.ok(lost > 0, "the workers met, or never began");
    assert.ok(lost < 0.08 * workers, `${lost}`);
  }
});
