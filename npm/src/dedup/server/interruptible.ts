/**
 * Returns a function that settles like a promise, or like `cause` if that settles first.
 *
 * `Promise.race` would keep the results of all promises that it was called with until `cause` settles.
 */
export function interruptible<T>(cause: Promise<T>): (work: Promise<T>) => Promise<T> {
  let isOver = false;
  let settle: (result: Promise<T>) => void = () => {};
  const interrupt = () => {
    isOver = true;
    settle(cause);
  };
  cause.then(interrupt, interrupt);
  return (work) =>
    new Promise((resolve, reject) => {
      settle = resolve;
      work.then(resolve, reject);
      if (isOver) interrupt();
    });
}
