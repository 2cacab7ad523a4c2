import type { Progress } from '../../contract/records/job.ts';
import type { ReportProgress } from '../engines/engine.ts';

/** Rates over less than this are noise. */
const shortestMs = 500;

/** `comparing 3 of 10 tables` and `comparing 4 of 10 tables` are one phase. */
const kindOf = (phase: string) => phase.replace(/\d+/g, '#');

/**
 * Where the work stands, as beats carry it. `onPhase` is called when another phase begins. What a report does not
 * say stays as it was, since phases overlap: a fingerprint is read while bytes stream.
 */
export function makeProgress(options: { monotonic: () => number; onPhase: () => void }): {
  report: ReportProgress;
  /** Rate: bytes since the last call. */
  current: () => Progress;
} {
  let phase = 'starting';
  let bytes = 0;
  let expectedBytes = 0;
  let seen = { at: options.monotonic(), bytes: 0 };
  let bytesPerSecond = 0;
  return {
    report: (next, done, expected) => {
      const begins = kindOf(next) !== kindOf(phase);
      phase = next.slice(0, 60);
      bytes = done ?? bytes;
      expectedBytes = expected ?? expectedBytes;
      if (begins) options.onPhase();
    },
    current: () => {
      const now = options.monotonic();
      if (now - seen.at >= shortestMs) {
        // A phase that counts from 0 again has moved what it has.
        const moved = bytes >= seen.bytes ? bytes - seen.bytes : bytes;
        bytesPerSecond = Math.round((moved * 1000) / (now - seen.at));
        seen = { at: now, bytes };
      }
      return { phase, bytes, expectedBytes, bytesPerSecond };
    },
  };
}
