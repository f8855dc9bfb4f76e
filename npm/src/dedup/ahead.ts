/**
 * Yields the result of `work` for each item, in order. Works ahead of the consumer, until the items whose
 * results were not yet taken add up to `most` bytes. An error follows the results before it. A consumer that
 * leaves early waits for nothing, and must end `items` itself.
 */
export async function* ahead<T, R>(
  items: AsyncIterable<T>,
  most: number,
  bytesOf: (item: T) => number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const results: { readonly result: Promise<R>; readonly bytes: number }[] = [];
  let waiting = 0;
  let isEnded = false;
  let isLeft = false;
  // One of the two at most waits: there are no results, or too many.
  let wake = () => {};
  const change = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const add = (result: Promise<R>, bytes: number) => {
    result.catch(() => {}); // reported when it is taken
    results.push({ result, bytes });
    waiting += bytes;
    wake();
  };
  const produce = async () => {
    try {
      for await (const item of items) {
        add(work(item), bytesOf(item));
        while (waiting >= most && !isLeft) await change();
        if (isLeft) return;
      }
    } catch (error) {
      add(Promise.reject(error), 0);
    } finally {
      isEnded = true;
      wake();
    }
  };
  void produce();
  try {
    for (;;) {
      while (results.length === 0 && !isEnded) await change();
      const [first] = results;
      if (first === undefined) return;
      const result = await first.result;
      results.shift();
      waiting -= first.bytes;
      wake();
      yield result;
    }
  } finally {
    isLeft = true;
    wake();
  }
}
