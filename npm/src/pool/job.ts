import { type Chunk, unpackChunks } from "../chunk.js";
import type { Input } from "./input.js";
import { type Cutting, type Reply, unpackFailure } from "./messages.js";
import type { Plan } from "./plan.js";
import { Run } from "./run.js";
import type { Seat, Seats } from "./seats.js";

/** Pieces that a worker has at a time: while it cuts one, the next is on its way. */
const AWAITED = 2;
/** After this many failures in a row runs are no rarer than before. */
const MOST_FAILURES = 6;

/**
 * Cuts one input by several workers, exactly.
 *
 * A cut decides all cuts after it. So a run that begins anywhere finds cuts that are perhaps not those
 * of the input; but from the first cut on that the run before it finds as well, the two are equal, and
 * so are their digests. Runs are a chain: each goes on until it meets the next. The first begins at the
 * start of the input, so that all it finds is true; when it meets the next, that one is the first.
 *
 * Two runs over periodic data may never meet. Then the next is given up when the run before it has
 * passed one segment of it, and new runs begin the later the more have failed: the work that is lost
 * stays a small part of the whole.
 */
export class Job {
  readonly #seats: Seats;
  readonly #input: Input;
  readonly #profile: string;
  readonly #base: number;
  readonly #plan: Plan;
  readonly #runs: Run[] = [];
  #found: Chunk[] = [];
  /** Up to here the consumer has taken the chunks. */
  #taken = 0;
  /** Up to here the input is cut, without gaps. */
  #position = 0;
  /** The position that the consumer knows. */
  #told = 0;
  #failures = 0;
  /** No run begins until the input is cut up to here. */
  #restsUntil = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(seats: Seats, input: Input, { profile, offset }: Cutting, plan: Plan) {
    this.#seats = seats;
    this.#input = input;
    this.#profile = profile;
    this.#base = offset ?? 0;
    this.#plan = plan;
  }

  /** How many bytes from the start are cut. */
  get position(): number {
    return this.#position;
  }

  /** Waits for more chunks, or for a further position. Returns `undefined` at the end. */
  async next(): Promise<Chunk[] | undefined> {
    const waits = () =>
      this.#found.length === 0 && this.#position === this.#told && !this.#ended && !this.#failure;
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
    if (found.length > 0 || this.#position > this.#told) {
      this.#told = this.#position;
      this.advance();
      return found;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return undefined;
  }

  /** Ends the work. What was found and not taken is lost. */
  fail(error: unknown): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#found = [];
    this.#told = this.#position;
    this.#stopBy(error);
  }

  /** Ends the work, wherever it is. */
  stop(): void {
    this.#ended = true;
    for (const run of this.#runs) run.close();
    this.#runs.length = 0;
    this.#input.close();
    this.#wake?.();
  }

  /** Gives the workers what there is to do. */
  advance(): void {
    if (this.#ended) return;
    try {
      this.#begin();
      for (const run of this.#runs) this.#give(run);
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
    if (this.#runs.length === 0) this.#open(this.#seats.leastBusy(), 0);
    for (;;) {
      const last = this.#runs.at(-1);
      const start = this.#nextStart();
      if (last === undefined || start === undefined) return;
      const seat = this.#seats.idle();
      if (seat === undefined) return;
      last.end = start;
      this.#open(seat, start);
    }
  }

  /** Where another run is worth its while. */
  #nextStart(): number | undefined {
    const { segment, window } = this.#plan;
    const last = this.#runs.at(-1);
    if (last === undefined || last.finishing || segment === Infinity) return undefined;
    if (this.#position < this.#restsUntil) return undefined;
    const start = Math.ceil((last.given + segment / 2) / segment) * segment;
    if (start + segment / 4 > this.#input.available) return undefined;
    return start < this.#taken + window ? start : undefined;
  }

  #open(seat: Seat, start: number): void {
    const { blob } = this.#input;
    const opening = {
      cutting: { profile: this.#profile, offset: this.#base + start },
      blob: start === 0 ? blob : blob?.slice(start),
    };
    const listener = {
      onReply: (reply: Reply) => this.#onReply(run, reply),
      onDeath: (error: unknown) => this.fail(error),
    };
    const run: Run = new Run(seat, seat.open(opening, listener), start);
    this.#runs.push(run);
  }

  #give(run: Run): void {
    const { size, available, failure, blob } = this.#input;
    const { seat, number } = run;
    if (run === this.#runs[0] && failure !== undefined && run.position === available) {
      this.#stopBy(failure.error);
      return;
    }
    while (run.awaited < AWAITED && run.metAt === undefined && !run.finishing) {
      if (run.given === size) {
        run.finishing = true;
        run.awaited++;
        seat.ask({ type: "finish", run: number });
        return;
      }
      const foreign = run.given >= run.end;
      const length = Math.min(
        foreign ? this.#plan.overrun : Math.min(this.#plan.piece, run.end - run.given),
        available - run.given,
      );
      if (length === 0 || !this.#mayGive(run)) return;
      run.awaited++;
      if (blob !== undefined) {
        run.given += length;
        seat.ask({ type: "read", run: number, length });
      } else {
        const bytes = this.#input.take(run.given, length);
        run.given += bytes.length;
        seat.ask({ type: "feed", run: number, bytes });
      }
    }
  }

  /** Whether the consumer is near enough. It may wait for a chunk that is longer than the window. */
  #mayGive(run: Run): boolean {
    const waited = run === this.#runs[0] && this.#found.length === 0;
    return waited || run.given < this.#taken + this.#plan.window;
  }

  #release(): void {
    const needed = this.#runs.filter(({ metAt }) => metAt === undefined).map(({ given }) => given);
    this.#input.release(Math.min(this.#input.available, ...needed));
  }

  #onReply(run: Run, reply: Reply): void {
    run.awaited--;
    if ("failure" in reply) {
      this.fail(unpackFailure(reply.failure));
      return;
    }
    run.position += reply.length;
    run.finished = run.finishing && run.awaited === 0;
    if (run.finished) run.close();
    this.#add(run, reply.records.flatMap(unpackChunks));
    this.#take();
    this.advance();
  }

  #add(run: Run, chunks: Chunk[]): void {
    const index = this.#runs.indexOf(run);
    const before = this.#runs[index - 1];
    for (const chunk of chunks) {
      run.chunks.push(chunk);
      const cut = chunk.offset - this.#base + chunk.length;
      if (before === undefined && cut < run.end) continue;
      run.cuts.add(cut);
    }
    if (before !== undefined && before.metAt === undefined && before.position > run.start) {
      this.#join(before, run);
    }
    if (run.metAt === undefined) this.#follow(run);
  }

  /** Lets a run that is past the beginning of the next one meet it, or those behind. */
  #follow(run: Run): void {
    for (;;) {
      const next = this.#runs[this.#runs.indexOf(run) + 1];
      if (next === undefined || run.position < next.start || this.#join(run, next)) return;
      const passed = next.metAt !== undefined && run.position >= next.metAt;
      const failed =
        next.metAt === undefined &&
        (run.position >= next.start + this.#plan.segment || run.position >= next.position) &&
        !next.finished;
      if (!passed && !failed && !run.finished) return;
      // Equal bytes let runs meet each other that the first never meets.
      if (failed || (passed && run === this.#runs[0])) this.#rest(run);
      this.#remove(next);
    }
  }

  /** Joins two neighbours at their first common cut, if they have one yet. */
  #join(run: Run, next: Run): boolean {
    const cut = run.meets(next);
    if (cut === undefined) return false;
    run.metAt = cut;
    run.close();
    run.chunks = run.chunks.filter(({ offset }) => offset - this.#base < cut);
    next.chunks = next.chunks.filter(({ offset }) => offset - this.#base >= cut);
    // What is behind the place for one of them is no more the other's.
    for (const later of run.cuts) if (later > cut) run.cuts.delete(later);
    for (const earlier of next.cuts) if (earlier < cut) next.cuts.delete(earlier);
    if (run === this.#runs[0]) this.#failures = 0;
    return true;
  }

  /** Two runs did not meet: lets fewer begin. */
  #rest(run: Run): void {
    this.#failures = Math.min(MOST_FAILURES, this.#failures + 1);
    this.#restsUntil = run.position + this.#plan.segment * (2 ** this.#failures - 1);
  }

  #remove(run: Run): void {
    run.close();
    const index = this.#runs.indexOf(run);
    this.#runs.splice(index, 1);
    const [before, next] = [this.#runs[index - 1], this.#runs[index]];
    if (before === undefined) return;
    before.end = next?.start ?? Infinity;
  }

  /** Takes what is true: all of the first run, and when it has met the next one, of that. */
  #take(): void {
    for (let run = this.#runs[0]; run !== undefined; run = this.#runs[0]) {
      this.#found = this.#found.concat(run.chunks);
      run.chunks = [];
      this.#position = Math.max(this.#position, run.metAt ?? run.position);
      if (run.metAt === undefined) {
        if (run.finished) this.stop();
        else for (const cut of run.cuts) if (cut < run.end) run.cuts.delete(cut);
        break;
      }
      this.#runs.shift();
    }
    this.#wake?.();
  }
}
