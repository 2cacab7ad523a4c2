import { type JobRow, jobKey, type Order, protocolVersion } from '../../../../contract/records/job.ts';
import { policySchema } from '../../../../contract/records/policy.ts';

export const userid = 'AROATEST:mi-0abc';

export const policy = policySchema.parse({
  name: 'nightly',
  schedule: { cron: '0 2 * * *' },
  method: 'physical',
});

const member = {
  memberId: 'db-1',
  set: 'main',
  hostId: 'mi-0abc',
  socket: '/run/mysqld/mysqld.sock',
  datadir: '/var/lib/mysql',
  credential: { kind: 'socket' as const, user: 'root' },
};
const site = { site: 'home', bucket: 'bucket-of-test', region: 'eu-central-1' };

export const checkOrder = {
  kind: 'check',
  engine: 'mysql',
  flavour: 'mariadb',
  member,
} as const satisfies Order;

export const backupOrder = {
  kind: 'backup',
  clusterId: 'shop',
  backupId: 'b-1',
  engine: 'mysql',
  flavour: 'mariadb',
  member,
  slot: '20261123T0200Z',
  policy,
  site,
  plan: {
    method: 'physical',
    level: 'full',
    reasons: ['the policy says so'],
    role: 'replica',
    checkpointFirst: true,
    stopApplier: true,
    volumeBytes: 64 * 1024,
    uploadsInFlight: 2,
    frameBytes: 16 * 1024,
    expectedBytes: 1000,
    chain: 'b-1',
    parent: null,
    timeline: 't-1',
    deadlineSeconds: 3600,
  },
} as const satisfies Order;

export const restoreOrder = (manifestSha256: string, directory: string) =>
  ({
    kind: 'restore',
    clusterId: 'shop',
    backupId: 'b-1',
    engine: 'mysql',
    flavour: 'mariadb',
    site,
    target: { hostId: 'mi-0abc', directory, port: 13306, user: 'mysql' },
    manifestSha256,
    policy: { stallSeconds: 600, memoryMiB: 512 },
  }) as const satisfies Order;

/** A queued row as dispatch writes it. */
export function queuedRow(jobId: string, order: Order, changes: Partial<JobRow> = {}): JobRow {
  return {
    v: protocolVersion,
    ...jobKey(userid, jobId),
    jobId,
    hostId: 'mi-0abc',
    clusterId: 'shop',
    execution: 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-backup:shop-1',
    lock: 'cluster:shop',
    state: 'queued',
    order,
    createdAt: new Date().toISOString(),
    claimBy: new Date(Date.now() + 300_000).toISOString(),
    deadline: new Date(Date.now() + 3_600_000).toISOString(),
    token: 'token-1',
    live: 'yes',
    ttl: 2_000_000_000,
    ...changes,
  };
}
