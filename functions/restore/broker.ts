import { createHash, timingSafeEqual } from 'node:crypto';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { type BrokerAnswer, type BrokerRequest, brokerRequestSchema } from '../../contract/records/broker.ts';
import { type JobRow, lostSeconds, type RestoreOrder } from '../../contract/records/job.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Jobs } from '../catalog/job.ts';
import type { Locks } from '../catalog/lock.ts';
import { type OrderRecord, type Orders, overAfter } from '../catalog/order.ts';
import type { AssumeRole } from '../clients/credentials.ts';
import { limited } from '../clients/limited.ts';
import { makeLambda } from '../log/lambda.ts';
import { sessionPolicyOf } from './session-policy.ts';

/** Orders whose runner reads backups. */
type ReadingOrder = RestoreOrder | RestoreTablesOrder;

const reads = (order: OrderRecord['order']): order is ReadingOrder =>
  order.kind === 'restore' || order.kind === 'restore-tables';

/** What the broker knows when it decides; nothing of it is taken from the order in the host-writable row. */
export type BrokerFacts = {
  request: BrokerRequest;
  order: OrderRecord | undefined;
  row: JobRow | undefined;
  /** Who holds the lock that the order stands on. */
  lockHolder: string | undefined;
  backup: BackupRecord | undefined;
  /** What is recorded of the links below it that the order names; empty for a full. */
  links?: readonly { backupId: string; record: BackupRecord | undefined }[];
  /** Restore roles by site. */
  roles: Readonly<Record<string, string>>;
  now: Date;
};

export type BrokerDecision =
  | { outcome: 'grant'; roleArn: string; order: ReadingOrder }
  | { outcome: 'refuse'; why: string };

/** Compares in constant time, so that the hash cannot be felt out byte by byte. */
function secretFits(secret: string, sha256: string): boolean {
  const shown = createHash('sha256').update(secret).digest();
  const expected = Buffer.from(sha256, 'hex');
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}

/** Whether the row is a job that a runner holds at this moment, else why it is not. */
function notHeld(row: JobRow | undefined, now: Date): string | undefined {
  if (!row) return 'there is no such job';
  if ((row.state !== 'claimed' && row.state !== 'committing') || row.live !== 'yes') {
    return `the job is ${row.state}`;
  }
  const lastSign = row.beatAt ?? row.claimedAt;
  if (!lastSign || now.getTime() - Date.parse(lastSign) > lostSeconds * 1000) {
    return `the job has not beaten for ${lostSeconds} s`;
  }
  return undefined;
}

/** Decides on one request. Which cluster and site are read is what was ordered, never what was asked for. */
export function brokerDecision(facts: BrokerFacts): BrokerDecision {
  const { request, order, row, backup } = facts;
  const refuse = (why: string): BrokerDecision => ({ outcome: 'refuse', why });
  if (!order || order.hostId !== request.hostId) {
    return refuse(`no job ${request.jobId} was ordered of host ${request.hostId}`);
  }
  if (!reads(order.order)) return refuse(`a ${order.order.kind} job reads no backups`);
  const deadline = order.deadline ?? overAfter(order);
  if (facts.now.toISOString() > deadline) return refuse(`the job's deadline ${deadline} has passed`);
  const dead = notHeld(row, facts.now);
  if (dead) return refuse(dead);
  if (!row?.claimSecretSha256 || !secretFits(request.secret, row.claimSecretSha256)) {
    return refuse('the secret is not the one whose hash the job row holds');
  }
  if (order.lock === null || facts.lockHolder !== order.execution) {
    return refuse(`the execution that ordered the job no longer holds ${order.lock ?? 'a lock'}`);
  }
  const { site, backupId, clusterId } = order.order;
  if (
    !backup ||
    backup.site.bucket !== site.bucket ||
    !['verified', 'proven', 'suspect'].includes(backup.state)
  ) {
    return refuse(
      `backup ${backupId} of ${clusterId} is ${backup?.state ?? 'not recorded'} at site ${site.site}`,
    );
  }
  const gone = facts.links?.find(
    ({ record }) =>
      record?.site.bucket !== site.bucket || !['verified', 'proven'].includes(record?.state ?? ''),
  );
  if (gone) {
    return refuse(
      `backup ${gone.backupId}, which ${backupId} needs, is ${gone.record?.state ?? 'not recorded'} at site ${site.site}`,
    );
  }
  const roleArn = facts.roles[site.site];
  if (!roleArn) return refuse(`site ${site.site} has no restore role in the settings`);
  return { outcome: 'grant', roleArn, order: order.order };
}

export type BrokerDeps = {
  orders: Pick<Orders, 'get'>;
  jobs: Pick<Jobs, 'get'>;
  locks: Pick<Locks, 'get'>;
  backups: Pick<Backups, 'get'>;
  assumeRole: AssumeRole;
  roles: Readonly<Record<string, string>>;
  now: () => Date;
  write?: (line: string) => void;
};

/** Credentials for a runner that restores: of the site's restore role, narrowed to the cluster, an hour at most. */
export const makeHandler = (deps: BrokerDeps) =>
  makeLambda({
    name: 'broker',
    event: brokerRequestSchema,
    onInvalid: 'refuse',
    ...(deps.write ? { write: deps.write } : {}),
    handle: async (request, log): Promise<BrokerAnswer> => {
      const order = await deps.orders.get(request.jobId);
      const restore = order && reads(order.order) ? order.order : undefined;
      const [row, lock, backup] = await Promise.all([
        order && deps.jobs.get(order.userid, request.jobId),
        order?.lock ? deps.locks.get(order.lock) : undefined,
        restore && deps.backups.get(restore.clusterId, restore.backupId),
      ]);
      const below = restore?.chain?.slice(0, -1) ?? [];
      const links = await limited(below, 20, async ({ backupId }) => ({
        backupId,
        record: restore && (await deps.backups.get(restore.clusterId, backupId)),
      }));
      const decision = brokerDecision({
        links,
        request,
        order,
        row,
        lockHolder: lock?.holder,
        backup,
        roles: deps.roles,
        now: deps.now(),
      });
      if (decision.outcome === 'refuse') {
        log.error('refused', { hostId: request.hostId, why: decision.why });
        return { outcome: 'refused', error: { name: 'Broker.Refused', cause: decision.why } };
      }
      const { clusterId, site } = decision.order;
      const partition = decision.roleArn.split(':')[1] ?? 'aws';
      const credentials = await deps.assumeRole({
        roleArn: decision.roleArn,
        sessionName: request.jobId,
        policy: sessionPolicyOf({ partition, bucket: site.bucket, clusterId }),
      });
      log.info('granted', {
        hostId: request.hostId,
        clusterId,
        site: site.site,
        until: credentials.expiration,
      });
      return { outcome: 'granted', ...credentials };
    },
  });
