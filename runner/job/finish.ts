import type { Log } from '../engines/engine.ts';
import type { Clock } from '../host/clock.ts';
import { repeatWithin } from './repeat.ts';
import type { JobEnd, JobRows, OwnJob } from './rows.ts';
import type { Tasks } from './tasks.ts';

export type FinishParts = { rows: JobRows; tasks: Tasks; clock: Clock; finishBudget: number; log: Log };

/**
 * Says how the job ended: first to the state that waits, then in its row, which erases the token. A runner that dies
 * between the two leaves a live row, which reconcile ends; the other way round the token would be gone with it, and the
 * state would wait until its heartbeat ran out. Answers that are lost on the way are repeated; what cannot be said
 * within the budget is found by reconcile, which looks for the manifest itself. A token that is gone is left alone
 * (F43): whoever took it has decided, and a committed backup is adopted. One that dispatch renewed meanwhile is
 * answered too.
 */
export async function finishJob(
  own: OwnJob,
  end: JobEnd,
  lastToken: string | undefined,
  { rows, tasks, clock, finishBudget, log }: FinishParts,
): Promise<void> {
  const said = (what: string) => (error: unknown) =>
    log(`${what} was not taken; trying again`, { cause: (error as Error).message });

  const answerTask = async (token: string): Promise<void> => {
    try {
      const answer = await repeatWithin(
        finishBudget,
        () => (end.state === 'succeeded' ? tasks.succeed(token, end.result) : tasks.fail(token, end.error)),
        said('the answer to the state machine'),
      );
      if (answer === 'gone') log('the state machine no longer waits; the outcome is left to be adopted');
    } catch (error) {
      log('the state machine could not be answered', { cause: (error as Error).message });
    }
  };

  if (lastToken !== undefined) await answerTask(lastToken);
  try {
    const answer = await repeatWithin(
      finishBudget,
      () => rows.finish(own, end, clock.now().toISOString()),
      said('the end of the job'),
    );
    if (answer.state !== end.state) log('the job had ended before', { state: answer.state ?? 'absent' });
    if (answer.token !== undefined && answer.token !== lastToken) await answerTask(answer.token);
  } catch (error) {
    log('the end of the job could not be written', { cause: (error as Error).message });
  }
}
