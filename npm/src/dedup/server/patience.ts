// Limits how long a peer may make no progress. Our own delays never count.

/** Returned by {@link within} when time is up. */
export const LATE: unique symbol = Symbol("late");

/** How long something that has arrived may take to reach us, in milliseconds. */
const SECOND_LOOK_MS = 1_000;

/**
 * Returns what arrives, or {@link LATE} if that takes longer than `ms`.
 *
 * After a process was suspended, its timers fire before it sees what has arrived in the meantime, so this looks
 * a second time.
 */
export async function within<T>(ms: number, arrival: Promise<T>): Promise<T | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    const lookAgain = () => {
      timer = setTimeout(resolve, Math.min(ms, SECOND_LOOK_MS), LATE);
    };
    timer = setTimeout(lookAgain, ms);
  });
  try {
    return await Promise.race([arrival, late]);
  } finally {
    clearTimeout(timer);
  }
}
