import { PutObjectCommand } from '@aws-sdk/client-s3';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { type JobRow, jobKey } from '../../../contract/records/job.ts';
import { makeCatalog } from '../../../functions/catalog/catalog.ts';
import { example } from '../../doubles/examples.ts';
import { type Account, hostId } from './account.ts';
import { type AccountAtWork, foreignVolume, otherRelease, volume } from './calls-of-stores.ts';

export const restoreJob = 'job-restore-1';
const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const lock = `target:${hostId}:/data2/restore`;

/** Objects and rows that calls can meet, own and foreign. */
export async function storeWhatIsThere(account: Account): Promise<AccountAtWork> {
  const { bucket, assets, names, clients, templates, userid } = account;
  const stored = async (Bucket: string, Key: string) => {
    const { VersionId = '' } = await clients.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'stored' }));
    return VersionId;
  };
  const runner = templates
    .identity(names.hostRole)
    .filter(({ Action }) => Action === 's3:GetObject')
    .map(({ Resource }) => String(Resource).split('/').at(-1));
  const runnerKey = (runner[0] ?? '').replace('*', 'runner.mjs');
  const versionId = await stored(bucket, volume);
  for (const [where, key] of [
    [bucket, foreignVolume],
    [bucket, 'shop2/backups/b/volumes/main/000000'],
    [bucket, 'shop/logs/main/t/20261123/0-x.segment'],
    [bucket, 'receipts/shop/b-1/20261123T020000Z-verified.json'],
    [names.scratchBucket, 'due/hourly/x.jsonl'],
    [assets, runnerKey],
    [assets, 'template.json'],
    [assets, otherRelease],
  ] as const) {
    await stored(where, key);
  }
  for (const [TableName, pk, sk] of [
    [names.jobsTable, userid, 'job#own'],
    [names.jobsTable, `${userid}0`, 'job#x'],
    [names.catalogTable, 'ORDER#j-1', 'ORDER'],
    ['another-table', userid, 'job#own'],
  ]) {
    await clients.tables.send(new PutCommand({ TableName, Item: { pk, sk } }));
  }
  return { ...account, versionId, runnerKey };
}

/** Orders a restore of cluster `shop` of the host, as the Restore machine does. */
export async function orderRestore({ clients, names, bucket, region, userid }: Account): Promise<void> {
  const catalog = makeCatalog({ client: clients.tables, table: names.catalogTable, jobs: names.jobsTable });
  const site = { site: 'home', bucket, region };
  const receipt = example('receipt');
  await catalog.backups.apply({
    ...receipt,
    clusterId: 'shop',
    backup: { ...receipt.backup, clusterId: 'shop', site },
  });
  const now = Date.now();
  const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();
  const order = example('order-restore');
  const {
    claimedAt: _,
    beatAt: __,
    claimSecretSha256: ___,
    progress: ____,
    runnerVersion: _____,
    ...queued
  } = example('job');
  const row: JobRow = {
    ...queued,
    ...jobKey(userid, restoreJob),
    jobId: restoreJob,
    hostId,
    clusterId: 'shop',
    execution,
    lock,
    state: 'queued',
    order: { ...order, clusterId: 'shop', site, target: { ...order.target, hostId } },
    createdAt: at(0),
    claimBy: at(300),
    deadline: at(3600),
  };
  await catalog.locks.take(lock, execution, at(0));
  const written = await catalog.jobs.dispatch(row, userid);
  if (written.outcome !== 'written') throw new Error(`not dispatched: ${written.outcome}`);
}
