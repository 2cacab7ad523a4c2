export type Narrator = {
  /** A numbered heading. */
  chapter: (title: string) => void;
  /** One line with the seconds since the start. */
  say: (line: string) => void;
  /** Seconds since the start. */
  seconds: () => number;
};

/** Tells what happens on stdout, so that a person can follow and a log can be read afterwards. */
export function narrator(): Narrator {
  const started = Date.now();
  const seconds = () => (Date.now() - started) / 1000;
  let number = 0;
  return {
    seconds,
    chapter: (title) => {
      number += 1;
      console.log(`\n${number}. ${title}`);
    },
    say: (line) => console.log(`${`${seconds().toFixed(0)} s`.padStart(7)}  ${line}`),
  };
}
