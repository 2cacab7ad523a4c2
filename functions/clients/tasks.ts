import { SendTaskFailureCommand, SendTaskSuccessCommand, SFNClient } from '@aws-sdk/client-sfn';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';

/** `late`: the task is over (timed out, execution closed) and nobody waits for this answer. */
export type TaskAnswer = { outcome: 'told' | 'late' };

/** Answers callback tasks. */
export type Tasks = {
  succeed(token: string, output: unknown): Promise<TaskAnswer>;
  fail(token: string, error: ErrorRecord): Promise<TaskAnswer>;
};

const over = ['TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken'];

async function answer(send: () => Promise<unknown>): Promise<TaskAnswer> {
  try {
    await send();
    return { outcome: 'told' };
  } catch (thrown) {
    if (thrown instanceof Error && over.includes(thrown.name)) return { outcome: 'late' };
    throw thrown;
  }
}

/** Limits of SendTaskFailure: Error 256 characters, Cause 32,768. */
export const makeTasks = (client = new SFNClient({ maxAttempts: 8 })): Tasks => ({
  succeed: (token, output) =>
    answer(() =>
      client.send(new SendTaskSuccessCommand({ taskToken: token, output: JSON.stringify(output) })),
    ),
  fail: (token, { name, cause }) =>
    answer(() =>
      client.send(
        new SendTaskFailureCommand({
          taskToken: token,
          error: name.slice(0, 256),
          cause: cause.slice(0, 32_768),
        }),
      ),
    ),
});
