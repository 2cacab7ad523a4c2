import { NamedError } from '../../contract/errors/named-error.ts';
import type { Log } from '../engines/engine.ts';
import type { Clock } from '../host/clock.ts';
import { repeatWithin } from './repeat.ts';
import type { JobRows, OwnJob } from './rows.ts';

/**
 * The last gate before the manifest: passes only while the job is neither cancelled nor lost. Afterwards nobody
 * but the runner ends the job until its beats have been missing for 15 minutes.
 */
export async function enterCommitting(
  own: OwnJob,
  { rows, clock, commitBudget, log }: { rows: JobRows; clock: Clock; commitBudget: number; log: Log },
): Promise<void> {
  const answer = await repeatWithin(
    commitBudget,
    () => rows.committing(own, clock.now().toISOString()),
    (error) => log('committing was not taken; trying again', { cause: (error as Error).message }),
  );
  if (answer.outcome === 'committing') return;
  if (answer.state === 'cancelled') {
    throw new NamedError('Job.Cancelled', 'the job was cancelled before its manifest was written');
  }
  if (answer.state === 'lost') {
    throw new NamedError('Job.Lost', 'control gave this job up before its manifest was written');
  }
  throw new NamedError('Job.NotLive', `the job's row is ${answer.state ?? 'gone'}`, {
    state: answer.state ?? null,
  });
}
