import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { makeCatalog } from '../../../../functions/catalog/catalog.ts';
import { makeTableRows } from '../../../../runner/job/table-rows.ts';

const root = join(import.meta.dirname, '../../../..');

/** A client that notes the reads it is asked for and knows nothing. */
function aClient() {
  const reads: { command: string; consistent: unknown; index: unknown }[] = [];
  const client = {
    send: async ({
      constructor: { name },
      input,
    }: {
      constructor: { name: string };
      input: Record<string, unknown>;
    }) => {
      reads.push({ command: name, consistent: input.ConsistentRead, index: input.IndexName });
      return {};
    },
  } as unknown as DynamoDBDocumentClient;
  return { client, reads };
}

describe('a read of a table', () => {
  it('F51: is strongly consistent, whatever record it is for and whoever reads it', async () => {
    const { client, reads } = aClient();
    const catalog = makeCatalog({ client, table: 'catalog', jobs: 'jobs' });
    await Promise.all([
      catalog.backups.get('c', 'b'),
      catalog.backups.list('c'),
      catalog.breaches.list(),
      catalog.clusters.get('c'),
      catalog.clusters.list(),
      catalog.coverages.list(),
      catalog.hosts.get('h'),
      catalog.hosts.list(),
      catalog.jobs.get('u', 'j'),
      catalog.jobs.look('u', 'j'),
      catalog.jobs.ofExecution('e', '2026-11-23T01:00:00.000Z'),
      catalog.leases.list(),
      catalog.locks.get('l'),
      catalog.locks.list(),
      catalog.orders.get('j'),
      catalog.orders.maybeLive(),
      catalog.orders.ofExecution('e'),
      catalog.pins.list(),
      catalog.pins.of('c', 'b'),
      catalog.retentionSwitch.get(),
      catalog.slots.get('c', 's'),
      catalog.slots.list('c', 's'),
      catalog.tombstones.list(),
      catalog.tombstones.of('c'),
    ]);
    await makeTableRows(client, 'jobs', 'u').get('j');
    expect(reads).toHaveLength(25);
    for (const read of reads)
      expect(read).toEqual({ command: read.command, consistent: true, index: undefined });
  });

  it('F51: stands in the two files that this test reads through, and nowhere else', () => {
    const reading = /\b(Get|Query|Scan|BatchGet|GetItem|BatchGetItem|TransactGet)Command\(/;
    const files = ['functions', 'runner'].flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }));
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => reading.test(readFileSync(join(root, file), 'utf8'))).toSorted()).toEqual([
      'functions/catalog/table.ts',
      'runner/job/table-rows.ts',
    ]);
  });
});
