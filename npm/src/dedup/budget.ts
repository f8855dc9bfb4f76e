interface Waiter {
  readonly amount: number;
  readonly order: number;
  readonly grant: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A counted supply: bytes that may be held, requests that may run.
 *
 * An amount above the capacity is granted once nothing else is taken, so a chunk larger than the whole budget
 * still gets its turn, alone.
 */
export class Budget {
  readonly capacity: number;
  readonly #waiters: Waiter[] = [];
  #taken = 0;
  #closed: { readonly reason: unknown } | undefined;
  #peak = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** The largest amount that was ever taken at the same time. */
  get peak(): number {
    return this.#peak;
  }

  /** Takes `amount` if it is free now and no call with this or a lower `order` waits; returns whether it did. */
  tryTake(amount: number, order = 0): boolean {
    const [first] = this.#waiters;
    if ((first !== undefined && first.order <= order) || !this.#fits(amount)) return false;
    this.#take(amount);
    return true;
  }

  /**
   * Takes `amount` as soon as it is free. Calls with a lower `order` go first, and those with the same one in turn.
   * Rejects once the budget is closed.
   */
  async take(amount: number, order = 0): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed.reason;
    if (this.tryTake(amount, order)) return;
    await new Promise<void>((grant, reject) => {
      const before = this.#waiters.findLastIndex((waiter) => waiter.order <= order);
      this.#waiters.splice(before + 1, 0, { amount, order, grant, reject });
    });
  }

  /** Takes `amount` at once, even if it is not free. */
  exceed(amount: number): void {
    this.#take(amount);
  }

  /** Rejects all waiting and future calls of {@link take}. */
  close(reason: unknown): void {
    this.#closed = { reason };
    for (const { reject } of this.#waiters.splice(0)) reject(reason);
  }

  /** Returns `amount` to the supply. */
  give(amount: number): void {
    this.#taken -= amount;
    for (let next = this.#waiters[0]; next !== undefined && this.#fits(next.amount); ) {
      this.#waiters.shift();
      this.#take(next.amount);
      next.grant();
      next = this.#waiters[0];
    }
  }

  #fits(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.capacity;
  }

  #take(amount: number): void {
    this.#taken += amount;
    this.#peak = Math.max(this.#peak, this.#taken);
  }
}
