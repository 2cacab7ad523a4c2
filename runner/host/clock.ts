/** The time that control would say, and one that only goes forward. */
export type Clock = {
  /** Now, corrected by what the cloud's answers said; the host's own clock may be wrong (F53). */
  now: () => Date;
  /** Milliseconds of a clock that no one sets; for intervals. */
  monotonic: () => number;
  /** Takes the `Date` header of an answer. */
  observe: (dateHeader: string | undefined) => void;
};

/** A `Date` header has whole seconds and travels for a while: below this a difference is noise. */
const noiseMs = 3000;

/** Makes the clock of one runner. */
export function makeClock(local: () => number = Date.now): Clock {
  let offset = 0;
  return {
    now: () => new Date(local() + offset),
    monotonic: () => performance.now(),
    observe: (dateHeader) => {
      const said = dateHeader === undefined ? Number.NaN : Date.parse(dateHeader);
      if (Number.isNaN(said)) return;
      const difference = said - local();
      offset = Math.abs(difference) > noiseMs ? difference : 0;
    },
  };
}
