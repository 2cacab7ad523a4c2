import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeExecutionCommand, type SFNClient } from '@aws-sdk/client-sfn';
import { type DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { JobRow } from '../../contract/records/job.ts';

export type ExecutionEnd = {
  arn: string;
  status: string;
  output: unknown;
  error: string | undefined;
  cause: string | undefined;
};

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

/** One line about a running job: what, where, how far, how fast, how long still. */
export function progressLine(job: JobRow): string {
  const {
    phase = 'waiting to be claimed',
    bytes = 0,
    expectedBytes = 0,
    bytesPerSecond = 0,
  } = job.progress ?? {};
  const parts = [`${job.order.kind} on ${job.hostId}: ${phase}`];
  if (bytes > 0)
    parts.push(
      expectedBytes > 0 ? `${megabytes(bytes)} of about ${megabytes(expectedBytes)}` : megabytes(bytes),
    );
  if (bytesPerSecond > 0) parts.push(`${megabytes(bytesPerSecond)}/s`);
  const left = expectedBytes - bytes;
  if (bytesPerSecond > 0 && left > 0) parts.push(`${Math.ceil(left / bytesPerSecond)} s left`);
  return parts.join(', ');
}

/**
 * Waits for an execution to end and says one line per running job whenever that line changes, where anybody listens.
 * Throws when it has not ended after `timeoutSeconds`.
 */
export async function followExecution(input: {
  arn: string;
  sfn: SFNClient;
  tables: DynamoDBDocumentClient;
  jobsTable: string;
  timeoutSeconds: number;
  /** Milliseconds between two looks. */
  everyMs?: number;
  say?: (line: string) => void;
}): Promise<ExecutionEnd> {
  const { arn, sfn, tables, jobsTable, say, everyMs = 500 } = input;
  const said = new Map<string, string>();
  const tell = async (say: (line: string) => void) => {
    const live = await tables.send(
      new ScanCommand({
        TableName: jobsTable,
        FilterExpression: 'live = :yes',
        ExpressionAttributeValues: { ':yes': 'yes' },
      }),
    );
    for (const job of (live.Items ?? []) as JobRow[]) {
      const line = progressLine(job);
      if (job.order.kind !== 'check' && said.get(job.jobId) !== line) {
        said.set(job.jobId, line);
        say(line);
      }
    }
  };
  for (const deadline = Date.now() + input.timeoutSeconds * 1000; Date.now() < deadline; ) {
    const execution = await sfn.send(new DescribeExecutionCommand({ executionArn: arn }));
    if (execution.status !== 'RUNNING') {
      return {
        arn,
        status: execution.status ?? 'UNKNOWN',
        output: execution.output ? JSON.parse(execution.output) : undefined,
        error: execution.error,
        cause: execution.cause,
      };
    }
    if (say) await tell(say);
    await sleep(everyMs);
  }
  throw new Error(`${arn} still runs after ${input.timeoutSeconds} s`);
}
