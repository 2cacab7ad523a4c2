import { expect } from 'vitest';
import type { BackupOrder } from '../../../../contract/records/job.ts';
import type { MariadbServer } from '../../../../infra/local/mariadb.ts';
import { processesOfRoot } from '../../../../infra/local/process-identity.ts';
import { clusterId } from './control.ts';
import type { Host } from './host.ts';

/** Nothing of a job is left on its host or on its servers: no process, file, lock or stopped applier. */
export async function expectNothingOnHost(host: Host, server: MariadbServer): Promise<void> {
  expect(processesOfRoot(host.root)).toEqual([]);
  expect(host.leftFiles()).toEqual([]);
  expect(await host.applies()).toBe(true);
  expect(await host.unlocked(server)).toBe(true);
}

/** After Reconcile control holds nothing for a job either, and counts no backup of it. */
export async function expectNoBackup(host: Host, order: BackupOrder): Promise<void> {
  const { locks, backups, jobs } = host.control.catalog;
  expect(host.manifestOf(order)).toBeUndefined();
  expect(await locks.list()).toEqual([]);
  const execution = host.control.executionOf(order.backupId.replace('b-', 'j-'));
  const standing = await jobs.ofExecution(execution, new Date().toISOString());
  expect(standing.map((job) => job.live)).toEqual([false]);
  const record = (await backups.list(clusterId)).find((b) => b.backupId === order.backupId);
  expect(record).toMatchObject({ state: 'lost' });
}
