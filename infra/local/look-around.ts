import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { GetExecutionHistoryCommand } from '@aws-sdk/client-sfn';
import { QueryCommand } from '@aws-sdk/lib-dynamodb';
import type { ExecutionEnd } from './follow-execution.ts';
import { localSite } from './local-settings.ts';
import { localClusterId } from './register-documents.ts';
import type { LocalTarget } from './target.ts';

const size = (bytes: number) => (bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${bytes} bytes`);

/** States an execution went through, in order, without repeats of a waiting loop. */
async function states(target: LocalTarget, arn: string): Promise<string[]> {
  const names: string[] = [];
  for (let nextToken: string | undefined, first = true; first || nextToken; first = false) {
    const page = await target.clients.sfn.send(
      new GetExecutionHistoryCommand({
        executionArn: arn,
        maxResults: 500,
        ...(nextToken ? { nextToken } : {}),
      }),
    );
    for (const event of page.events ?? []) {
      const name = event.stateEnteredEventDetails?.name;
      if (name && names.at(-1) !== name) names.push(name);
    }
    nextToken = page.nextToken;
  }
  return names;
}

/** What the run left behind, read back through the APIs an operator would use. One line each. */
export async function lookAround(
  target: LocalTarget,
  ends: { backup: ExecutionEnd; restore: ExecutionEnd; restored: string },
): Promise<string[]> {
  const { clients, names, hosts } = target;
  const lines = [
    `Backup went through: ${(await states(target, ends.backup.arn)).join(' > ')}`,
    `Restore went through: ${(await states(target, ends.restore.arn)).join(' > ')}`,
  ];
  const bucket = names.bucket(localSite);
  const listed = await clients.s3.send(new ListObjectVersionsCommand({ Bucket: bucket }));
  const objects = listed.Versions ?? [];
  const isMany = ({ Key = '' }: { Key?: string | undefined }) => /\/volumes\/|\.segment$/.test(Key);
  const many = (what: string, pattern: RegExp) => {
    const of = objects.filter(({ Key = '' }) => pattern.test(Key));
    return `${of.length} ${what} with ${size(of.reduce((sum, { Size = 0 }) => sum + Size, 0))}`;
  };
  lines.push(
    `s3://${bucket}: ${objects.length} objects, of these ${many('volumes', /\/volumes\//)} and ${many('segments', /\.segment$/)}`,
  );
  for (const object of objects.filter((o) => !isMany(o))) {
    lines.push(`  ${object.Key} (${size(object.Size ?? 0)})`);
  }
  const newest = objects.filter(({ Key = '' }) => Key.endsWith('.segment')).at(-1);
  if (newest) lines.push(`  ${newest.Key} (${size(newest.Size ?? 0)}), the newest segment of the log`);
  const catalog = await clients.tables.send(
    new QueryCommand({
      TableName: names.catalogTable,
      KeyConditionExpression: 'pk = :cluster AND begins_with(sk, :backup)',
      ExpressionAttributeValues: { ':cluster': `CLUSTER#${localClusterId}`, ':backup': 'BACKUP#' },
    }),
  );
  for (const item of catalog.Items ?? [])
    lines.push(`catalog: ${item.sk} is ${item.state ?? item.record?.state}`);
  lines.push(`restored instance: ${ends.restored}, server log ${ends.restored}/error.log`);
  lines.push(`logs of the emulator and its functions: ${target.emulator.logFile}`);
  lines.push(
    `hosts: ${Object.values(hosts)
      .map((h) => h.root)
      .join(', ')}`,
  );
  return lines;
}
