export type Gate = <T>(task: () => Promise<T>) => Promise<T>;

/** Lets at most `most` tasks run at once, in the order in which they came. */
export function makeGate(most: number): Gate {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (task) => {
    if (running >= most) await new Promise<void>((resolve) => queue.push(resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
