import { describe, expect, it } from 'vitest';
import { makeJobLog } from '../../../../runner/job/log.ts';

describe('the log of a job', () => {
  it.each(['', 'x', 'a longer line of a tool'])(
    'F05 takes a mebibyte of a tool that repeats %j, says so once, and goes on with its own lines',
    (line) => {
      let written = 0;
      let last = '';
      const { log, text } = makeJobLog({
        fixed: { jobId: 'j-1' },
        now: () => new Date(0),
        write: (entry) => {
          written += entry.length;
          last = entry;
        },
      });
      for (let i = 0; i < 50_000; i++) log(line, { from: 'tool' });
      expect(written).toBeGreaterThan(1024 ** 2);
      expect(written).toBeLessThan(1.1 * 1024 ** 2);
      log('done');
      expect(JSON.parse(last)).toMatchObject({ jobId: 'j-1', message: 'done' });
      expect(text().match(/it says more than a log keeps/g)).toHaveLength(1);
    },
  );
});
