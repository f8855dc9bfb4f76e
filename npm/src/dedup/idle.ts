/** How long complete data waits for more, in milliseconds. */
const IDLE_MS = 20;

/** Settles as `work` does, or resolves with `undefined` if that takes longer than `ms` milliseconds. */
export function orIdle<T>(work: Promise<T>, ms = IDLE_MS): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
