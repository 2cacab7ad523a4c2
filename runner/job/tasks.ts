import {
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { JobResult } from '../../contract/records/job.ts';

/** `gone`: the machine no longer waits for this token (timed out, answered, or its execution closed). */
export type TaskAnswer = 'taken' | 'gone';

/** What a runner says to the state that waits for it. Throws only when the service could not be asked. */
export type Tasks = {
  heartbeat: (token: string) => Promise<TaskAnswer>;
  succeed: (token: string, result: JobResult) => Promise<TaskAnswer>;
  fail: (token: string, error: ErrorRecord) => Promise<TaskAnswer>;
};

const goneNames = new Set(['TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken']);

/** Limits of SendTaskFailure, in characters. */
const longestError = 256;
const longestCause = 32_768;

/** Makes the answers over Step Functions. */
export function makeTasks(client: SFNClient): Tasks {
  const answer = async (sent: Promise<unknown>): Promise<TaskAnswer> => {
    try {
      await sent;
      return 'taken';
    } catch (error) {
      if (goneNames.has((error as Error).name)) return 'gone';
      throw error;
    }
  };
  return {
    heartbeat: (taskToken) => answer(client.send(new SendTaskHeartbeatCommand({ taskToken }))),
    succeed: (taskToken, result) =>
      answer(client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(result) }))),
    fail: (taskToken, { name, cause }) =>
      answer(
        client.send(
          new SendTaskFailureCommand({
            taskToken,
            error: name.slice(0, longestError),
            cause: cause.slice(0, longestCause),
          }),
        ),
      ),
  };
}
