/**
 * Starts work on up to `most` items ahead of the reader and gives the results in order. What was begun when the
 * reader leaves is left to its signal.
 */
export async function* ahead<T, R>(
  source: AsyncIterable<T>,
  most: number,
  begin: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const iterator = source[Symbol.asyncIterator]();
  const begun: Promise<R>[] = [];
  let ended = false;
  try {
    for (;;) {
      while (!ended && begun.length < most) {
        const next = await iterator.next();
        if (next.done) ended = true;
        else {
          const work = begin(next.value);
          // Awaited in its turn; until then its failure is nobody's surprise.
          work.catch(() => undefined);
          begun.push(work);
        }
      }
      const first = begun.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await iterator.return?.();
  }
}
