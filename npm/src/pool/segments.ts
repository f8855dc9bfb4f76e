import type { Chunk } from "../chunk.js";
import { unpackChunks } from "../chunk-records.js";
import type { Input } from "./input.js";
import { type Cutting, type Reply, unpackFailure } from "./messages.js";
import type { Plan } from "./plan.js";
import { Segment } from "./segment.js";
import type { PoolWorker, Workers } from "./workers.js";

/** Pieces a worker holds at a time: while it cuts one, the next is on its way. */
const IN_FLIGHT = 2;
/** After this many failures in a row, new segments become no rarer. */
const MOST_FAILURES = 6;

/**
 * The chunks of one input, found by several workers; the same as one worker finds.
 *
 * Every cut determines all later cuts. A segment that starts at an arbitrary place may therefore find
 * wrong cuts, but from the first cut it shares with the segment before it, the two are in step: cuts
 * and digests are equal from there on. Segments form a chain, and each is followed until it is in step
 * with the next. The first starts where the input does, so all of its chunks are right; once it is in
 * step with the next, that one becomes the first.
 *
 * On periodic data two segments may never fall into step. The later one is given up once the earlier
 * one has run one segment length into it, and each failure delays the next new segment further, so
 * that little work is wasted. (The core does the same on threads: `src/parallel/segments.rs`.)
 */
export class Segments {
  readonly #workers: Workers;
  readonly #input: Input;
  readonly #profile: string;
  readonly #base: number;
  readonly #plan: Plan;
  readonly #segments: Segment[] = [];
  #found: Chunk[] = [];
  /** The consumer has taken the chunks up to here. */
  #taken = 0;
  /** The input is cut up to here, without gaps. */
  #position = 0;
  /** The position last reported to the consumer. */
  #reported = 0;
  #failures = 0;
  /** No new segment starts until the input is cut up to here. */
  #noneBefore = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(workers: Workers, input: Input, { profile, offset }: Cutting, plan: Plan) {
    this.#workers = workers;
    this.#input = input;
    this.#profile = profile;
    this.#base = offset ?? 0;
    this.#plan = plan;
  }

  /** How many bytes from the start are cut. */
  get position(): number {
    return this.#position;
  }

  /** Waits for more chunks, or for progress without any. Returns `undefined` at the end. */
  async next(): Promise<Chunk[] | undefined> {
    const waits = () =>
      this.#found.length === 0 &&
      this.#position === this.#reported &&
      !this.#ended &&
      !this.#failure;
    while (waits()) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.advance();
      if (waits()) await woken;
    }
    const found = this.#found;
    this.#found = [];
    const last = found.at(-1);
    if (last !== undefined) this.#taken = last.offset - this.#base + last.length;
    if (found.length > 0 || this.#position > this.#reported) {
      this.#reported = this.#position;
      this.advance();
      return found;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return undefined;
  }

  /** Stops with an error; chunks that were not taken are lost. */
  fail(error: unknown): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#found = [];
    this.#reported = this.#position;
    this.#stopBy(error);
  }

  /** Stops, wherever the work is. */
  stop(): void {
    this.#ended = true;
    for (const segment of this.#segments) segment.close();
    this.#segments.length = 0;
    this.#input.close();
    this.#wake?.();
  }

  /** Hands out work as far as possible. */
  advance(): void {
    if (this.#ended) return;
    try {
      this.#begin();
      for (const segment of this.#segments) this.#give(segment);
      this.#release();
    } catch (error) {
      this.fail(error);
    }
  }

  #stopBy(error: unknown): void {
    this.#failure = { error };
    this.stop();
  }

  #begin(): void {
    if (this.#segments.length === 0) this.#open(this.#workers.leastBusy(), 0);
    for (;;) {
      const last = this.#segments.at(-1);
      const start = this.#nextStart();
      if (last === undefined || start === undefined) return;
      const worker = this.#workers.idle();
      if (worker === undefined) return;
      last.end = start;
      this.#open(worker, start);
    }
  }

  /** Returns where another segment is worth starting. */
  #nextStart(): number | undefined {
    const { segmentLength, window } = this.#plan;
    const last = this.#segments.at(-1);
    if (last === undefined || last.finishing || segmentLength === Infinity) return undefined;
    if (this.#position < this.#noneBefore) return undefined;
    const start = Math.ceil((last.given + segmentLength / 2) / segmentLength) * segmentLength;
    if (start + segmentLength / 4 > this.#input.available) return undefined;
    return start < this.#taken + window ? start : undefined;
  }

  #open(worker: PoolWorker, start: number): void {
    const { blob } = this.#input;
    const opening = {
      cutting: { profile: this.#profile, offset: this.#base + start },
      blob: start === 0 ? blob : blob?.slice(start),
    };
    const listener = {
      onReply: (reply: Reply) => this.#onReply(segment, reply),
      onDeath: (error: unknown) => this.fail(error),
    };
    const segment: Segment = new Segment(worker, worker.open(opening, listener), start);
    this.#segments.push(segment);
  }

  #give(segment: Segment): void {
    const { size, available, failure, blob } = this.#input;
    const { worker, number } = segment;
    if (segment === this.#segments[0] && failure !== undefined && segment.position === available) {
      this.#stopBy(failure.error);
      return;
    }
    while (segment.awaited < IN_FLIGHT && segment.inStepFrom === undefined && !segment.finishing) {
      if (segment.given === size) {
        segment.finishing = true;
        segment.awaited++;
        worker.ask({ type: "finish", segment: number });
        return;
      }
      const isFollowing = segment.given >= segment.end;
      const length = Math.min(
        isFollowing ? this.#plan.overrun : Math.min(this.#plan.piece, segment.end - segment.given),
        available - segment.given,
      );
      if (length === 0 || !this.#mayGive(segment)) return;
      segment.awaited++;
      if (blob !== undefined) {
        segment.given += length;
        worker.ask({ type: "read", segment: number, length });
      } else {
        const bytes = this.#input.take(segment.given, length);
        segment.given += bytes.length;
        worker.ask({ type: "feed", segment: number, bytes });
      }
    }
  }

  /** Whether the consumer is close enough behind; it may be waiting for a chunk longer than the window. */
  #mayGive(segment: Segment): boolean {
    const waited = segment === this.#segments[0] && this.#found.length === 0;
    return waited || segment.given < this.#taken + this.#plan.window;
  }

  #release(): void {
    const needed = this.#segments
      .filter(({ inStepFrom }) => inStepFrom === undefined)
      .map(({ given }) => given);
    this.#input.release(Math.min(this.#input.available, ...needed));
  }

  #onReply(segment: Segment, reply: Reply): void {
    segment.awaited--;
    if ("failure" in reply) {
      this.fail(unpackFailure(reply.failure));
      return;
    }
    segment.position += reply.length;
    segment.finished = segment.finishing && segment.awaited === 0;
    if (segment.finished) segment.close();
    this.#add(segment, reply.records.flatMap(unpackChunks));
    this.#take();
    this.advance();
  }

  #add(segment: Segment, chunks: Chunk[]): void {
    const index = this.#segments.indexOf(segment);
    const before = this.#segments[index - 1];
    for (const chunk of chunks) {
      segment.chunks.push(chunk);
      const cut = chunk.offset - this.#base + chunk.length;
      if (before === undefined && cut < segment.end) continue;
      segment.cuts.add(cut);
    }
    if (
      before !== undefined &&
      before.inStepFrom === undefined &&
      before.position > segment.start
    ) {
      this.#join(before, segment);
    }
    if (segment.inStepFrom === undefined) this.#follow(segment);
  }

  /** Looks for a cut in common with the next segment once this one runs into it, or with a later one. */
  #follow(segment: Segment): void {
    for (;;) {
      const next = this.#segments[this.#segments.indexOf(segment) + 1];
      if (next === undefined || segment.position < next.start || this.#join(segment, next)) return;
      const passed = next.inStepFrom !== undefined && segment.position >= next.inStepFrom;
      const failed =
        next.inStepFrom === undefined &&
        (segment.position >= next.start + this.#plan.segmentLength ||
          segment.position >= next.position) &&
        !next.finished;
      if (!passed && !failed && !segment.finished) return;
      // On equal bytes, later segments may be in step with each other but never with the first.
      if (failed || (passed && segment === this.#segments[0])) this.#backOff(segment);
      this.#remove(next);
    }
  }

  /** Joins two neighbours at their first common cut, if there is one by now. */
  #join(segment: Segment, next: Segment): boolean {
    const cut = segment.firstCutInCommon(next);
    if (cut === undefined) return false;
    segment.inStepFrom = cut;
    segment.close();
    segment.chunks = segment.chunks.filter(({ offset }) => offset - this.#base < cut);
    next.chunks = next.chunks.filter(({ offset }) => offset - this.#base >= cut);
    // Beyond the join, cuts of one no longer belong to the other.
    for (const later of segment.cuts) if (later > cut) segment.cuts.delete(later);
    for (const earlier of next.cuts) if (earlier < cut) next.cuts.delete(earlier);
    if (segment === this.#segments[0]) this.#failures = 0;
    return true;
  }

  /** Starts fewer segments after two did not fall into step. */
  #backOff(segment: Segment): void {
    this.#failures = Math.min(MOST_FAILURES, this.#failures + 1);
    this.#noneBefore = segment.position + this.#plan.segmentLength * (2 ** this.#failures - 1);
  }

  #remove(segment: Segment): void {
    segment.close();
    const index = this.#segments.indexOf(segment);
    this.#segments.splice(index, 1);
    const [before, next] = [this.#segments[index - 1], this.#segments[index]];
    if (before === undefined) return;
    before.end = next?.start ?? Infinity;
  }

  /** Takes the chunks known to be right: the first segment's, and those of segments in step with it. */
  #take(): void {
    for (let segment = this.#segments[0]; segment !== undefined; segment = this.#segments[0]) {
      this.#found = this.#found.concat(segment.chunks);
      segment.chunks = [];
      this.#position = Math.max(this.#position, segment.inStepFrom ?? segment.position);
      if (segment.inStepFrom === undefined) {
        if (segment.finished) this.stop();
        else for (const cut of segment.cuts) if (cut < segment.end) segment.cuts.delete(cut);
        break;
      }
      this.#segments.shift();
    }
    this.#wake?.();
  }
}
