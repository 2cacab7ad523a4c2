import type { JobState } from '../../contract/records/job.ts';
import type { JobRows, OwnJob } from '../../runner/job/rows.ts';

type Row = Record<string, unknown> & { state: JobState };

/** Rows in memory with the conditions of the real ones; `rows` is what a test looks at and changes behind the runner's back. */
export type MemoryRows = JobRows & {
  rows: Map<string, Row>;
  /** Called before each change with its name; throwing stands for a table that cannot be reached. */
  before: (call: string) => void;
  /** Called after each change has happened; throwing stands for an answer that was lost. */
  after: (call: string) => void;
  calls: string[];
};

export function makeMemoryRows(initial: Row[] = []): MemoryRows {
  const rows = new Map(initial.map((row) => [row.jobId as string, row]));
  const calls: string[] = [];
  const call = async <T>(name: string, act: () => T): Promise<T> => {
    calls.push(name);
    double.before(name);
    const answer = structuredClone(act());
    double.after(name);
    return answer;
  };
  const own = ({ jobId, claimSecretSha256 }: OwnJob) => {
    const row = rows.get(jobId);
    return row?.claimSecretSha256 === claimSecretSha256 ? row : undefined;
  };
  const double: MemoryRows = {
    rows,
    calls,
    before: () => {},
    after: () => {},
    get: (jobId) => call('get', () => rows.get(jobId)),
    claim: (me, runnerVersion, at) =>
      call('claim', () => {
        const row = rows.get(me.jobId);
        const again = own(me)?.state === 'claimed';
        if (!row || (row.state !== 'queued' && !again)) {
          return { outcome: 'not-queued' as const, state: row?.state ?? 'absent' };
        }
        Object.assign(row, {
          state: 'claimed',
          claimedAt: at,
          beatAt: at,
          runnerVersion,
          claimSecretSha256: me.claimSecretSha256,
        });
        return { outcome: 'claimed' as const, row };
      }),
    beat: (me, progress, at) =>
      call('beat', () => {
        const row = own(me);
        if (!row || !['claimed', 'committing', 'cancelled'].includes(row.state)) {
          return { outcome: 'gone' as const, state: rows.get(me.jobId)?.state };
        }
        Object.assign(row, { beatAt: at, progress });
        return { outcome: 'alive' as const, state: row.state, token: row.token as string | undefined };
      }),
    committing: (me, at) =>
      call('committing', () => {
        const row = own(me);
        if (!row || !['claimed', 'committing'].includes(row.state)) {
          return { outcome: 'refused' as const, state: rows.get(me.jobId)?.state };
        }
        Object.assign(row, { state: 'committing', beatAt: at });
        return { outcome: 'committing' as const };
      }),
    finish: (me, end, at) =>
      call('finish', () => {
        const row = own(me);
        if (!row || !['claimed', 'committing', 'cancelled', 'lost'].includes(row.state)) {
          return { state: rows.get(me.jobId)?.state, token: undefined };
        }
        const token = row.token as string | undefined;
        const state = ['cancelled', 'lost'].includes(row.state) ? row.state : end.state;
        Object.assign(row, end, { state, endedAt: at });
        delete row.token;
        delete row.live;
        return { state, token };
      }),
  };
  return double;
}
