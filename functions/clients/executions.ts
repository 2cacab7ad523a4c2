import {
  DescribeExecutionCommand,
  ListExecutionsCommand,
  type ListExecutionsCommandOutput,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';

/** How an execution stands. `unknown`: there never was one of that name, or its history is gone (90 days). */
export type ExecutionStatus =
  | { status: 'open' }
  | { status: 'succeeded' }
  | { status: 'failed'; error: string; cause: string }
  | { status: 'unknown' };

export type Executions = {
  describe(executionArn: string): Promise<ExecutionStatus>;
  /** ARNs of all that run of a machine, a request for each 1,000; one that has just closed may still be among them. */
  running(machineArn: string): Promise<ReadonlySet<string>>;
  /** `exists`: one of that name runs or has run, which is as good as started (F44). */
  start(of: {
    machineArn: string;
    name: string;
    input: unknown;
  }): Promise<{ outcome: 'started' | 'exists'; executionArn: string }>;
};

/** ARN of the execution of this name, whether it exists or not. */
export const executionArnOf = (machineArn: string, name: string): string =>
  `${machineArn.replace(':stateMachine:', ':execution:')}:${name}`;

const nameOf = (thrown: unknown) => (thrown instanceof Error ? thrown.name : '');

export const makeExecutions = (client = new SFNClient({ maxAttempts: 8 })): Executions => ({
  async describe(executionArn) {
    try {
      const answer = await client.send(new DescribeExecutionCommand({ executionArn }));
      if (answer.status === 'SUCCEEDED') return { status: 'succeeded' };
      if (answer.status === 'FAILED' || answer.status === 'TIMED_OUT' || answer.status === 'ABORTED') {
        return {
          status: 'failed',
          error: answer.error ?? `Execution.${answer.status}`,
          cause: answer.cause ?? `the execution is ${answer.status}`,
        };
      }
      return { status: 'open' };
    } catch (thrown) {
      if (nameOf(thrown) === 'ExecutionDoesNotExist') return { status: 'unknown' };
      throw thrown;
    }
  },
  async running(stateMachineArn) {
    const arns = new Set<string>();
    let nextToken: string | undefined;
    do {
      const answer: ListExecutionsCommandOutput = await client.send(
        new ListExecutionsCommand({
          stateMachineArn,
          statusFilter: 'RUNNING',
          maxResults: 1000,
          ...(nextToken === undefined ? {} : { nextToken }),
        }),
      );
      for (const { executionArn, status } of answer.executions ?? [])
        if (executionArn !== undefined && status === 'RUNNING') arns.add(executionArn);
      nextToken = answer.nextToken;
    } while (nextToken !== undefined);
    return arns;
  },
  async start({ machineArn, name, input }) {
    const executionArn = executionArnOf(machineArn, name);
    try {
      await client.send(
        new StartExecutionCommand({ stateMachineArn: machineArn, name, input: JSON.stringify(input) }),
      );
      return { outcome: 'started', executionArn };
    } catch (thrown) {
      if (nameOf(thrown) === 'ExecutionAlreadyExists') return { outcome: 'exists', executionArn };
      throw thrown;
    }
  },
});
