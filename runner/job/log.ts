import type { Log } from '../engines/engine.ts';
import { makeRing } from '../host/ring.ts';
import { makeRedactor } from './redactor.ts';

export type JobLog = {
  log: Log;
  /** From now on this text appears in no line. */
  hide: (secret: string) => void;
  redact: (text: string) => string;
  /** What was logged so far, as JSON lines; the newest 4 MiB where it was more. */
  text: () => string;
};

/** A backup logs a few hundred lines; a tool that floods must not fill memory. */
const keptCharacters = 4 * 1024 * 1024;

/** Of what tools say (`from`) so much is taken, as it is written: a flood, also one of empty lines, would fill the host's disk, where each line goes at once. */
const relayedCharacters = 1024 * 1024;

/**
 * Makes the log of one job: a JSON object per line, to `write` at once and kept for the log object. Redaction is
 * here, at the one place every line passes.
 */
export function makeJobLog(options: {
  fixed: Record<string, string>;
  now: () => Date;
  write: (line: string) => void;
}): JobLog {
  const ring = makeRing(keptCharacters);
  const { hide, redact } = makeRedactor();
  let relayed = 0;
  let full = false;
  const add = (message: string, facts: Parameters<Log>[1] = {}): number => {
    const shown = Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'string' ? redact(value) : value,
    ]);
    const line = JSON.stringify({
      at: options.now().toISOString(),
      ...options.fixed,
      message: redact(message),
      ...Object.fromEntries(shown),
    });
    ring.push(line);
    options.write(`${line}\n`);
    return line.length;
  };
  return {
    hide,
    redact,
    log: (message, facts = {}) => {
      if (typeof facts.from !== 'string') add(message, facts);
      else if (relayed < relayedCharacters) relayed += add(message, facts);
      else if (!full) {
        full = true;
        add('it says more than a log keeps; the rest is left out', facts);
      }
    },
    text: () => ring.lines().join('\n').concat('\n'),
  };
}
