/** How long what is complete waits for more to come, in milliseconds. */
const IDLE_MS = 20;

/** Settles as `work` does, or resolves with `undefined` if nothing has come for a while. */
export function orIdle<T>(work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), IDLE_MS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
