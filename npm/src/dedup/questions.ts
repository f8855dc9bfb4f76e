import type { ByteArray } from "../bytes.js";
import type { HashAlgorithm } from "../index.js";
import { Budget } from "./budget.js";
import { asDedupError } from "./error.js";
import type { Requests } from "./retry.js";
import type { Transport } from "./transport.js";
import { DIGEST_BYTES, FIRST_LIMITS, isMissing, type Limits } from "./wire.js";

/** Limit for concurrent questions. */
export const QUESTIONS = 4;

/** Asks a server which chunks it lacks, in requests within its limits, which its answers state. */
export class Questions {
  readonly #transport: Transport;
  readonly #requests: Requests;
  readonly #onLimits: (limits: Limits) => void;
  readonly #turns = new Budget(QUESTIONS);
  #limits: Limits = FIRST_LIMITS;
  #knowsLimits = false;

  /** @param onLimits Called with the limits of the server whenever an answer states them. */
  constructor(transport: Transport, requests: Requests, onLimits: (limits: Limits) => void) {
    this.#transport = transport;
    this.#requests = requests;
    this.#onLimits = onLimits;
  }

  /** The limits of the server, or, until they are known, those that every server accepts. */
  get limits(): Limits {
    return this.#limits;
  }

  get knowsLimits(): boolean {
    return this.#knowsLimits;
  }

  /** Returns for each of the `digests`, one after another in one array, whether the server lacks the chunk. */
  async missing(hash: HashAlgorithm, digests: ByteArray): Promise<boolean[]> {
    await this.#turns.take(1);
    try {
      let answers: boolean[] = [];
      for (;;) {
        const rest = digests.subarray(DIGEST_BYTES * answers.length);
        if (rest.length === 0) return answers;
        const asked = rest.subarray(0, DIGEST_BYTES * this.#limits.missingDigests);
        answers = answers.concat(await this.#ask(hash, asked));
      }
    } finally {
      this.#turns.give(1);
    }
  }

  /** Returns the answers, or none if the digests were too many for one question. */
  async #ask(hash: HashAlgorithm, digests: ByteArray): Promise<boolean[]> {
    const count = digests.length / DIGEST_BYTES;
    try {
      const { missing, limits } = await this.#requests.run((signal) =>
        this.#transport.missing(hash, digests, { signal }),
      );
      if (limits !== undefined) this.#learn(limits);
      else await this.askLimits();
      return Array.from({ length: count }, (_, at) => isMissing(missing, at));
    } catch (error) {
      // Another answer may have brought the limits meanwhile.
      const isWithin = this.#knowsLimits && count <= this.#limits.missingDigests;
      if (asDedupError(error)?.code !== "too_many_digests" || isWithin) throw error;
      await this.askLimits();
      return [];
    }
  }

  /** Requests the limits, unless they are known. */
  async askLimits(): Promise<void> {
    if (this.#knowsLimits) return;
    this.#learn(await this.#requests.run((signal) => this.#transport.limits({ signal })));
  }

  #learn(limits: Limits): void {
    this.#limits = limits;
    this.#knowsLimits = true;
    this.#onLimits(limits);
  }
}
