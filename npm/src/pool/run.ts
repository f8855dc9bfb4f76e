import type { Chunk } from "../chunk.js";
import type { Seat } from "./seats.js";

/**
 * A stretch of the input that one worker cuts, from a place that is perhaps no cut of the input.
 * All places are in bytes from the beginning of the source.
 */
export class Run {
  readonly seat: Seat;
  /** Its number at the worker. */
  readonly number: number;
  readonly start: number;
  /** Where the next run begins, or infinity. */
  end = Infinity;
  /** The worker was given the bytes up to here, */
  given: number;
  /** and has cut them up to here. */
  position: number;
  /** Replies that are to come. */
  awaited = 0;
  /** Where it met the next run: what it found behind this is known from there. */
  metAt: number | undefined;
  /** Its worker was told that the input ends; */
  finishing = false;
  /** and has replied. */
  finished = false;
  /** What it has found and no one has taken. */
  chunks: Chunk[] = [];
  /** Cuts, among them its start, at which a run before it or the next one may meet it. */
  readonly cuts: Set<number>;

  constructor(seat: Seat, number: number, start: number) {
    this.seat = seat;
    this.number = number;
    this.start = start;
    this.given = start;
    this.position = start;
    this.cuts = new Set([start]);
  }

  /** Returns the first cut that both runs have. From there on they are equal. */
  meets(next: Run): number | undefined {
    for (const cut of this.cuts) if (next.cuts.has(cut)) return cut;
    return undefined;
  }

  /** Ends the work on it. */
  close(): void {
    this.seat.end(this.number, this.awaited);
    this.awaited = 0;
  }
}
