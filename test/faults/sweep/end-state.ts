import { manifestKey } from '../../../contract/layout.ts';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import type { JobRow } from '../../../contract/records/job.ts';
import type { Installation } from './installation.ts';
import { bucket, policy } from './what-is-deployed.ts';

/** Whether nothing of the cluster is under way. */
export async function isQuiet({ catalog, items }: Installation): Promise<boolean> {
  const slots = await catalog.slots.list('orders', '');
  const open = slots.filter(
    (s) => s.state === 'open' || (s.state === 'failed' && s.attempt < policy.attempts),
  );
  const backups = await catalog.backups.list('orders');
  return (
    open.length === 0 &&
    backups.every((b) => b.state !== 'running') &&
    (await catalog.locks.list()).length === 0 &&
    items('catalog').every((item) => item.pk !== 'LIVE')
  );
}

/**
 * What is left, as a list of everything that must not be: empty when all is well. `mayExhaust`: a slot may have
 * used up its attempts without a backup, if there is none.
 */
export async function wrongsOf(
  { catalog, items, status, tokens, ended, buckets }: Installation,
  { mayExhaust = false } = {},
): Promise<string[]> {
  const wrong: string[] = [];
  for (const { name, holder } of await catalog.locks.list()) wrong.push(`lock ${name} of ${holder}`);
  for (const cap of await catalog.leases.list())
    for (const holder of cap.holders) wrong.push(`lease ${cap.name} of ${holder}`);
  for (const pin of await catalog.pins.list()) wrong.push(`pin of ${pin.execution}`);
  for (const row of items('jobs') as JobRow[])
    if (row.live === 'yes') wrong.push(`live job ${row.jobId} (${row.order.kind}, ${row.state})`);
  for (const item of items('catalog')) if (item.pk === 'LIVE') wrong.push(`${item.sk} may be live`);
  for (const [arn, { status: s }] of status) if (s === 'open') wrong.push(`${arn} is open`);
  for (const token of tokens.waiting()) wrong.push(`${token} waits`);
  for (const e of ended)
    if (e.status === 'failed' && !/^[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+$/.test(e.error))
      wrong.push(`${e.executionArn} failed without a name: ${e.error}`);
  const backups = await catalog.backups.list('orders');
  const manifests = new Set(buckets.keys(bucket).filter((key) => key.endsWith('/manifest.json')));
  const counts = (b: BackupRecord) => ['verified', 'proven'].includes(b.state);
  for (const backup of backups) {
    const stored = manifests.delete(manifestKey(backup));
    if (stored !== counts(backup))
      wrong.push(`${backup.backupId} is ${backup.state} and has ${stored ? 'a' : 'no'} manifest`);
    if (!counts(backup) && backup.error === undefined) wrong.push(`${backup.backupId} has no error`);
  }
  for (const key of manifests) wrong.push(`${key} is not recorded`);
  const known = new Set(backups.map((b) => b.backupId));
  for (const key of buckets.keys(bucket).filter((k) => k.startsWith('orders/backups/')))
    if (!known.has(key.split('/')[2]!)) wrong.push(`${key} belongs to no backup`);
  for (const slot of await catalog.slots.list('orders', '')) {
    const recorded = backups.filter((b) => b.slot === slot.slot && counts(b) && !b.extra);
    const exhausted = slot.state === 'failed' && slot.attempt >= policy.attempts && slot.error !== undefined;
    if (mayExhaust && exhausted && recorded.length === 0) continue;
    if (slot.state !== 'recorded' || recorded.length !== 1 || recorded[0]?.backupId !== slot.backupId)
      wrong.push(`slot ${slot.slot} is ${slot.state} with ${recorded.length} recorded backups`);
  }
  return wrong;
}
