import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestLine, makeLineSplitter } from '../../../../runner/host/line-splitter.ts';
import { makeJobLog } from '../../../../runner/job/log.ts';

/** Runs a tool's bytes, split anywhere, through the way of its lines into the log; returns the log. */
function logOf(secret: string, bytes: Buffer, cuts: number[]): string {
  const job = makeJobLog({ fixed: { jobId: 'j-1' }, now: () => new Date(0), write: () => {} });
  job.hide(secret);
  const splitter = makeLineSplitter((line) => job.log('tool', { line }));
  let from = 0;
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    splitter.push(bytes.subarray(from, cut));
    from = cut;
  }
  splitter.end();
  return job.text();
}

const secrets = fc.string({ minLength: 8, maxLength: 60, unit: 'binary' });
const around = fc.string({ maxLength: 40, unit: 'binary' });

describe('no line of the log holds a secret', () => {
  it('wherever the bytes of a tool were split', () => {
    fc.assert(
      fc.property(secrets, around, around, fc.array(fc.nat(), { maxLength: 12 }), (secret, a, b, cuts) => {
        const log = logOf(secret, Buffer.from(`${a}${secret}${b}\n`), cuts);
        for (const line of secret.split(/\r\n|\n|\r/).filter((l) => l.length >= 4)) {
          if (!'[redacted]'.includes(line) && !a.includes(line) && !b.includes(line)) {
            const lines = log.split('\n').filter(Boolean);
            for (const text of lines)
              expect((JSON.parse(text) as { line?: string }).line ?? '').not.toContain(line);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('where a long line was cut in the middle of it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9]{12,40}$/), fc.nat({ max: 50 }), (secret, before) => {
        const filler = '-'.repeat(longestLine - before);
        const log = logOf(secret, Buffer.from(`${filler}${secret}${'-'.repeat(100)}\n`), []);
        const shown = (JSON.parse(log.trim()) as { line: string }).line;
        for (let length = 4; length <= secret.length; length++) {
          expect(shown.endsWith(secret.slice(0, length))).toBe(false);
        }
      }),
    );
  });

  it('in the forms that JSON and addresses give it', () => {
    const job = makeJobLog({ fixed: {}, now: () => new Date(0), write: () => {} });
    const secret = `p"w\\d\n$;'x y`;
    job.hide(secret);
    job.log(JSON.stringify({ secret }));
    job.log(`mysql://root:${encodeURIComponent(secret)}@host/`);
    job.log(secret);
    expect(job.text()).not.toMatch(/p\\*"w|\$;'x|%3B'x/);
  });
});
