// How long a peer may make no progress. Our own slowness never counts.

/** What {@link within} returns when it has waited long enough. */
export const LATE: unique symbol = Symbol("late");

/** How long something that has arrived may take to get here, in milliseconds. */
const SECOND_LOOK_MS = 1_000;

/**
 * Returns what arrives, or {@link LATE} when that takes longer than `ms`.
 *
 * A process that stood still sees its timers end before it sees what has arrived meanwhile, so it looks a
 * second time.
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
