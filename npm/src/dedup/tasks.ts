/** The concurrent tasks of an upload. */
export class Tasks {
  /** Aborted when the upload has ended. */
  readonly signal: AbortSignal;
  readonly #fail: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();
  #wake: (() => void) | undefined;

  /** @param fail Called with the error of a task. */
  constructor(signal: AbortSignal, fail: (error: unknown) => void) {
    this.signal = signal;
    this.#fail = fail;
  }

  /** Runs `task` concurrently; its failure is the upload's. */
  spawn(task: () => Promise<void>): void {
    const running = task().catch(this.#fail);
    const tracked = running.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Resolves when no task is running; rejects if the upload has ended by then. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.signal.throwIfAborted();
  }

  /** Wakes what waits for the {@link nextChange}: there may be more to do. */
  changed(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Resolves at the next change; rejects if the upload has ended by then. */
  async nextChange(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.signal.throwIfAborted();
  }
}
