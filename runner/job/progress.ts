import type { Progress } from '../../contract/records/job.ts';
import type { ReportProgress } from '../engines/engine.ts';

/** Where the work stands, as beats carry it. `onPhase` is called when another phase begins. */
export function makeProgress(options: { monotonic: () => number; onPhase: () => void }): {
  report: ReportProgress;
  current: () => Progress;
} {
  let phase = 'starting';
  let bytes = 0;
  let expectedBytes = 0;
  let phaseStart = options.monotonic();
  return {
    report: (next, done, expected) => {
      if (next !== phase) {
        phase = next.slice(0, 60);
        bytes = 0;
        expectedBytes = 0;
        phaseStart = options.monotonic();
        options.onPhase();
      }
      bytes = done ?? bytes;
      expectedBytes = expected ?? expectedBytes;
    },
    current: () => {
      const seconds = Math.max(1, (options.monotonic() - phaseStart) / 1000);
      return { phase, bytes, expectedBytes, bytesPerSecond: Math.round(bytes / seconds) };
    },
  };
}
