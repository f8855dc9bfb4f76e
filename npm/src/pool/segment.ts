import type { Chunk } from "../chunk.js";
import type { PoolWorker } from "./workers.js";

/**
 * A stretch of the input that one worker cuts, starting at a place that may not be a cut of the input.
 * Positions are in bytes from the start of the source.
 */
export class Segment {
  readonly worker: PoolWorker;
  /** Identifies it in messages to its worker. */
  readonly number: number;
  readonly start: number;
  /** Where the next segment starts, or infinity. */
  end = Infinity;
  /** Its worker was given the bytes up to here. */
  given: number;
  /** Its worker has cut the bytes up to here. */
  position: number;
  /** Replies still to come. */
  awaited = 0;
  /** The first cut in common with the next segment, which has all later chunks. */
  inStepFrom: number | undefined;
  /** Its worker was told that the input ends here. */
  finishing = false;
  /** Its worker has replied to that. */
  finished = false;
  /** Found and not yet taken. */
  chunks: Chunk[] = [];
  /** The cuts, its start among them, at which a neighbour may fall into step with it. */
  readonly cuts: Set<number>;

  constructor(worker: PoolWorker, number: number, start: number) {
    this.worker = worker;
    this.number = number;
    this.start = start;
    this.given = start;
    this.position = start;
    this.cuts = new Set([start]);
  }

  /** Returns the first cut that both segments have: from there on they are equal. */
  firstCutInCommon(next: Segment): number | undefined {
    for (const cut of this.cuts) if (next.cuts.has(cut)) return cut;
    return undefined;
  }

  /** Stops the work on it. */
  close(): void {
    this.worker.end(this.number, this.awaited);
    this.awaited = 0;
  }
}
