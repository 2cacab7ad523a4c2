import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SendTaskSuccessCommand } from '@aws-sdk/client-sfn';
import { fromHttp } from '@aws-sdk/credential-providers';
import { describe, expect } from 'vitest';
import { indexKey, manifestKey, volumeKey } from '../../../../contract/layout.ts';
import type { BackupResult } from '../../../../contract/records/job.ts';
import { restoreInput } from '../../../../infra/local/backup-story.ts';
import { applierRuns } from '../../../journeys/whole-way/appliers.ts';
import { rebuildable } from '../../../journeys/whole-way/reconciling.ts';
import { withHeldTool } from '../../../journeys/whole-way/tools.ts';
import { waitUntil } from '../../../journeys/whole-way/wait-until.ts';
import { ask, failed, run, start, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { byHand, lookAt } from './look.ts';

export function forging(the: () => World): void {
  const { reconcile, allIsFree, backupOf, backupJobOf, ended } = lookAt(the);

  /** A client with the credentials of the host that has no database: it belongs to no cluster. */
  function strangersStore(): S3Client {
    const { target } = the();
    const file = join(target.hosts.empty.root, 'etc/environment');
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const own = Object.fromEntries(lines.map((line) => line.split('=', 2) as [string, string]));
    return new S3Client({
      endpoint: target.emulator.endpoint,
      region: target.emulator.region,
      forcePathStyle: true,
      credentials: fromHttp({
        awsContainerCredentialsFullUri: own.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? '',
        awsContainerAuthorizationToken: own.AWS_CONTAINER_AUTHORIZATION_TOKEN ?? '',
      }),
    });
  }

  async function forge(Key: string, Body: string | Uint8Array): Promise<string> {
    const Bucket = the().target.names.bucket('home');
    await strangersStore().send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }));
    return `s3://${Bucket}/${Key}`;
  }

  async function copyOf(Key: string): Promise<Uint8Array> {
    const { clients, names } = the().target;
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: names.bucket('home'), Key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  }

  describe('what a host forges under the name of a cluster that is not its own', () => {
    faultTest(
      ['forged manifest', 'forged volumes', 'forged segments', 'forged name'],
      'stays unclaimed: reported, restored by nobody, adopted by nobody, and no reason to delete anything',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const bucket = target.names.bucket('home');
        const forgeAs = async (fault: string, key: string, body: string | Uint8Array) => {
          const address = await forge(key, body);
          hit(fault);
          return address;
        };
        const [real] = (await tables.backups('shop')).filter(({ state }) => state === 'verified');
        // A whole backup of its own making: manifest, index and a volume, as a runner would have left them.
        const forged = { clusterId: 'shop', backupId: '99999999T000000Z-forged' };
        const manifest = Buffer.from(await copyOf(manifestKey(real!)))
          .toString()
          .replaceAll(real!.backupId, forged.backupId);
        await forgeAs('forged volumes', volumeKey(forged, 'main', 0), 'not a volume');
        await forgeAs(
          'forged volumes',
          indexKey(forged, real!.jobId),
          await copyOf(indexKey(real!, real!.jobId)),
        );
        const claimed = await forgeAs('forged manifest', manifestKey(forged), manifest);
        const alone = { ...forged, backupId: '99999999T000001Z-volumes' };
        await forgeAs('forged volumes', volumeKey(alone, 'main', 0), 'not a volume');
        const segment = 'shop/logs/main/t1/2026-11-23/000001-abcdef.segment';
        const log = await forgeAs('forged segments', segment, 'not a segment');
        await forgeAs('forged name', 'nobody/backups/b/manifest.json', manifest);

        const catalogBefore = rebuildable(await tables.catalog());
        const { unclaimed } = await reconcile();
        const restore = { ...restoreInput({ directory: '/var/tmp/never', port: 20_998 }), ...forged };
        const restored = await run(the(), 'restore', restore);
        const adopted = await run(the(), 'backup', { v: 1, clusterId: 'shop', adopt: forged.backupId });
        const retention = await ask(the(), 'retention', {});
        await endState(async () => {
          expect(unclaimed).toEqual([
            claimed,
            `s3://${bucket}/nobody/`,
            `s3://${bucket}/shop/backups/${alone.backupId}/`,
            log,
          ]);
          failed(restored, 'Backup.Unknown', forged.backupId);
          failed(adopted, 'Backup.Unknown', forged.backupId);
          expect(retention).toMatchObject({ outcome: 'done', versionsDeleted: 0 });
          expect(await tables.tombstones()).toEqual([]);
          // What was reported of the cluster names it; no other record does.
          const naming = (await tables.catalog()).filter((item) =>
            /99999999T|abcdef.segment/.test(JSON.stringify(item)),
          );
          expect(naming.map(({ pk, sk }) => [pk, sk])).toEqual([['COVERAGE', 'shop']]);
          expect(rebuildable(await tables.catalog())).toEqual(catalogBefore);
          await allIsFree();
        });
      },
    );

    faultTest(
      ['forged manifest'],
      'under the very id of a backup that another host writes makes no backup: it is not of the job that was ordered',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const [real] = (await tables.backups('shop')).filter(({ state }) => state === 'verified');
        const arn = await withHeldTool(target.hosts.replica, '--backup', async ({ held, letGo }) => {
          const execution = await start(the(), 'backup', byHand);
          await held();
          const { order } = await backupJobOf(execution);
          if (order.kind !== 'backup') throw new Error('no backup was ordered');
          const manifest = Buffer.from(await copyOf(manifestKey(real!)))
            .toString()
            .replaceAll(real!.backupId, order.backupId);
          await forge(manifestKey(order), manifest);
          hit('forged manifest');
          letGo();
          return execution;
        });
        const end = await ended(arn);
        await endState(async () => {
          failed(end, 'Backup.Unknown', 'jobId');
          expect(await backupOf(arn)).toMatchObject({ state: 'failed' });
          await reconcile();
          expect(await tables.locks()).toEqual([]);
          await allIsFree();
        });
      },
    );

    faultTest(
      ['forged end'],
      'in its own row and to its own task makes no backup either: there is no manifest',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const { sfn } = target.clients;
        const arn = await withHeldTool(target.hosts.replica, '--backup', async ({ held }) => {
          const execution = await start(the(), 'backup', byHand);
          await held();
          const { token, ...job } = await backupJobOf(execution);
          if (job.order.kind !== 'backup') throw new Error('no backup was ordered');
          const { backupId } = job.order;
          const result: BackupResult = {
            kind: 'backup',
            jobId: job.jobId,
            backupId,
            manifestKey: manifestKey(job.order),
            manifestSha256: '0'.repeat(64),
            bytes: 1,
            storedBytes: 1,
            volumes: 1,
          };
          await tables.changeJob(job, {
            state: 'succeeded',
            live: 'no',
            result,
            deadline: '2099-01-01T00:00:00.000Z',
          });
          await sfn.send(new SendTaskSuccessCommand({ taskToken: token, output: JSON.stringify(result) }));
          hit('forged end');
          const end = await ended(execution);
          failed(end, 'Verify.ObjectMissing', 'is not stored');
          return execution;
        });
        await endState(async () => {
          expect(await backupOf(arn)).toMatchObject({
            state: 'failed',
            error: { name: 'Verify.ObjectMissing' },
          });
          await reconcile();
          // Its deadline, of which control keeps its own, is not over: nothing of it is marked yet.
          expect(await tables.tombstones()).toEqual([]);
          await waitUntil('the end of its runner', async () => applierRuns(the().servers.replica));
          await allIsFree();
        });
      },
    );
  });
}
