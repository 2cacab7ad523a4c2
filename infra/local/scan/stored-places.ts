import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand, HeadObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
} from '@aws-sdk/client-sfn';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { MachineName } from '../../names.ts';
import type { LocalTarget } from '../target.ts';
import type { Place } from './find-secrets.ts';

const text = (value: unknown) => JSON.stringify(value) ?? '';

/** Input, output and whole history of every execution. */
export async function executionPlaces({ clients, names }: LocalTarget): Promise<Place[]> {
  const machines: MachineName[] = ['fleet-backup', 'backup', 'restore'];
  const places: Place[] = [];
  for (const machine of machines) {
    const listed = await clients.sfn.send(
      new ListExecutionsCommand({ stateMachineArn: names.machineArn(machine), maxResults: 1000 }),
    );
    for (const { executionArn } of listed.executions ?? []) {
      const { input, output, error, cause } = await clients.sfn.send(
        new DescribeExecutionCommand({ executionArn }),
      );
      const where = executionArn ?? machine;
      places.push({ kind: 'execution', where, text: [input, output, error, cause].join('\n') });
      let nextToken: string | undefined;
      do {
        const page = await clients.sfn.send(
          new GetExecutionHistoryCommand({
            executionArn,
            maxResults: 1000,
            ...(nextToken ? { nextToken } : {}),
          }),
        );
        places.push({ kind: 'history', where, text: text(page.events) });
        nextToken = page.nextToken;
      } while (nextToken);
    }
  }
  return places;
}

/** Every item of both tables. */
export async function rowPlaces({ clients, names }: LocalTarget): Promise<Place[]> {
  const places: Place[] = [];
  for (const TableName of [names.catalogTable, names.jobsTable]) {
    const { Items = [] } = await clients.tables.send(new ScanCommand({ TableName, ConsistentRead: true }));
    for (const item of Items)
      places.push({ kind: 'row', where: `${TableName} ${item.pk} ${item.sk}`, text: text(item) });
  }
  return places;
}

/** What is said about every object, and what is in those that are no data of a database: logs, manifests, indexes, receipts. */
export async function objectPlaces({ clients, names, settings }: LocalTarget): Promise<Place[]> {
  const places: Place[] = [];
  for (const Bucket of [...Object.keys(settings.sites).map(names.bucket), names.scratchBucket]) {
    const { Versions = [] } = await clients.s3.send(new ListObjectVersionsCommand({ Bucket }));
    for (const { Key = '', VersionId } of Versions) {
      const where = `s3://${Bucket}/${Key}`;
      const at = { Bucket, Key, ...(VersionId && VersionId !== 'null' ? { VersionId } : {}) };
      const { $metadata: _, ...head } = await clients.s3.send(new HeadObjectCommand(at));
      places.push({ kind: 'metadata of an object', where, text: text(head) });
      if (Key.includes('/volumes/') || Key.endsWith('.segment')) continue;
      const answer = await clients.s3.send(new GetObjectCommand(at));
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      const body = Key.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes;
      places.push({ kind: 'object', where, text: body.toString('utf8') });
    }
  }
  return places;
}
