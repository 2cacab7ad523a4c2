export type Bell = {
  /** Wakes everyone who waits. */
  ring: () => void;
  /** How often it has rung. */
  rings: () => number;
  /**
   * Resolves at the next ring, or at once when it rang after `since`. Without `since` ask in the same tick in
   * which you saw that you must wait, or a ring is missed.
   */
  heard: (since?: number) => Promise<void>;
};

/** One bell per set of streams: rung when a buffer, a frame or spool room became free and when all is lost. */
export function makeBell(): Bell {
  let waiting: (() => void)[] = [];
  let rings = 0;
  return {
    ring: () => {
      rings += 1;
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
    rings: () => rings,
    heard: (since = rings) =>
      rings > since ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve)),
  };
}
