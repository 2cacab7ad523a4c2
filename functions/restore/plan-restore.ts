import { createHash } from 'node:crypto';
import { z } from 'zod';
import { bytesOfChain } from '../../contract/formats/chain-need.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import { type BackupRecord, backupPlanSchema, siteRefSchema } from '../../contract/records/backup.ts';
import { clusterDocumentSchema } from '../../contract/records/cluster.ts';
import { hostId, id, mintedId, sha256Hex } from '../../contract/records/ids.ts';
import { checkOrderSchema, restoreOrderSchema } from '../../contract/records/job.ts';
import { policySchema } from '../../contract/records/policy.ts';
import { restoreTargetSchema } from '../../contract/records/restore-target.ts';
import type { Backups } from '../catalog/backup.ts';
import { chainOf } from '../catalog/chain.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Hosts } from '../catalog/host.ts';
import { targetLock } from '../catalog/lock.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { Sites } from '../env/variables.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { keysOrder } from './keys.ts';
import { type PlanUntilDeps, planUntil } from './plan-until.ts';
import { hostRefusal, manifestRefusal, pointUnreached } from './refusals.ts';
import { notYet, restoreRequestSchema } from './request.ts';
import { chooseBackup, considered } from './restorable.ts';
import { predictedRestoreSeconds, replaySeconds } from './restore-time.ts';
import { memberFor, plannedTablesSchema, planTables } from './tables/plan-tables.ts';
import { reachedInto } from './tables/reached-into.ts';
import { kindRefusal, withTables } from './tables/with-tables.ts';
import { targetDirectory } from './target-directory.ts';

/** A check looks at a directory, a port and two programs: seconds; past this the host is not answering. */
const checkDeadlineSeconds = 120;

const engine = clusterDocumentSchema.shape.engine;
const flavour = clusterDocumentSchema.shape.flavour;

/** What a restore will be, before its target has been looked at. */
export const plannedRestoreSchema = z.object({
  outcome: z.literal('planned'),
  clusterId: id,
  backupId: mintedId,
  manifestSha256: sha256Hex,
  /** Of an incremental: all that is restored, base first. */
  chain: restoreOrderSchema.shape.chain,
  /** Of a restore to a point: what is replayed, and up to which exact position. */
  log: restoreOrderSchema.shape.log,
  point: z
    .object({
      /** Commit time of the last transaction of the point's segment that is restored, as far as the log tells. */
      lastCommit: z.string().nullable(),
      /** Transactions that may have been committed after the time that was asked for: MariaDB writes no commit times. */
      perhapsLater: z.int(),
    })
    .optional(),
  /** How long it is reckoned to take. */
  predictedSeconds: z.number().optional(),
  engine,
  flavour,
  /** Of the backup: what a dump is restored with differs. */
  method: backupPlanSchema.shape.method.optional(),
  site: siteRefSchema,
  target: restoreTargetSchema,
  lock: z.string(),
  check: z.object({ jobId: mintedId, hostId, order: checkOrderSchema, deadlineSeconds: z.int() }),
  need: z.object({
    /** Disk in all, and how much of it are unpacked files. */
    bytes: z.number(),
    unpackedBytes: z.number(),
    serverVersion: z.string(),
    toolVersion: z.string(),
    outsideDatadir: z.array(z.string()),
  }),
  policy: policySchema,
  /** Where only some tables come back, beside the live ones. */
  tables: plannedTablesSchema.optional(),
});

export type PlannedRestore = z.infer<typeof plannedRestoreSchema>;

/** What the plan needs of a manifest: the whole ones of a long chain do not fit into the function's memory. */
type Planned = Pick<
  Manifest,
  'backupId' | 'engine' | 'flavour' | 'server' | 'restore' | 'metrics' | 'policy' | 'plan' | 'streams'
>;
/** One backup of what is restored. */
type Link = { manifest: Planned; manifestSha256: string };

const plannedOf = ({
  backupId,
  engine,
  flavour,
  server,
  restore,
  metrics,
  policy,
  plan,
  streams,
}: Manifest): Planned => ({
  backupId,
  engine,
  flavour,
  server,
  restore,
  metrics,
  policy,
  plan,
  streams,
});

/** Puts the plan together from what was found to be right. */
export function planOf(
  backup: BackupRecord,
  links: readonly Link[],
  target: z.infer<typeof restoreTargetSchema>,
  jobId: string,
  more: Pick<PlannedRestore, 'log' | 'point' | 'predictedSeconds'> = {},
): PlannedRestore {
  const { manifest, manifestSha256 } = links.at(-1)!;
  const chain = links.map((link) => ({
    backupId: link.manifest.backupId,
    manifestSha256: link.manifestSha256,
  }));
  const kind = { engine: engine.parse(manifest.engine), flavour: flavour.parse(manifest.flavour) };
  return {
    outcome: 'planned',
    clusterId: backup.clusterId,
    backupId: backup.backupId,
    manifestSha256,
    ...(chain.length > 1 ? { chain } : {}),
    ...more,
    ...kind,
    method: manifest.plan.method,
    site: backup.site,
    target,
    lock: targetLock(target.hostId, target.directory),
    check: {
      jobId,
      hostId: target.hostId,
      order: { kind: 'check', ...kind, target, ...keysOrder(links.map((link) => link.manifest)) },
      deadlineSeconds: checkDeadlineSeconds,
    },
    need: {
      ...withLog(bytesOfChain(links.map((link) => link.manifest)), more.log),
      serverVersion: manifest.server.version,
      toolVersion: manifest.restore.toolVersion,
      outsideDatadir: manifest.restore.outsideDatadir,
    },
    policy: manifest.policy,
  };
}

/** What a log needs of the disk besides: its files, what it adds to the data, relay logs and a scratch server. */
export const withLog = (need: { bytes: number; unpackedBytes: number }, log: PlannedRestore['log']) =>
  log === undefined ? need : { ...need, bytes: need.bytes + 3 * log.bytes + 512 * 1024 * 1024 };

export type PlanRestoreDeps = {
  clusters: Pick<Clusters, 'get'>;
  backups: Pick<Backups, 'list'>;
  hosts: Pick<Hosts, 'get'>;
  objectsOf: ObjectsOf;
  archives: PlanUntilDeps['archives'];
  agents: PlanUntilDeps['agents'];
  sites: Sites;
  mintJobId: () => string;
};

/** "Plan the restore": which backup, onto which host, and what it will need. Touches nothing. */
export const makeHandler = (deps: PlanRestoreDeps) =>
  makeLambda({
    name: 'plan-restore',
    event: z.object({ execution: z.string(), input: restoreRequestSchema }),
    onInvalid: 'refuse',
    handle: async ({ input }): Promise<PlannedRestore | Refused> => {
      const later = notYet(input);
      if (later) return refused('Restore.NotYet', later);
      const path = targetDirectory(input.target.directory);
      if (path.outcome === 'refused') {
        return refused('Input.Invalid', `target.directory: ${input.target.directory} ${path.why}`, {
          field: 'target.directory',
          value: input.target.directory,
        });
      }
      const { clusterId } = input;
      const cluster = await deps.clusters.get(clusterId);
      if (!cluster) {
        return refused('Cluster.Unknown', `clusterId: ${clusterId} is not registered`, {
          field: 'clusterId',
          value: clusterId,
        });
      }
      if (input.into !== undefined && input.tables === undefined) {
        return refused('Input.Invalid', `into: ${input.into} takes tables, and none are named in tables`, {
          field: 'into',
        });
      }
      const member = input.tables && memberFor(input, cluster.document);
      if (member && 'outcome' in member) return member;
      const unfit = hostRefusal(
        input.target.hostId,
        await deps.hosts.get(input.target.hostId),
        ...(member ? [['database' as const]] : []),
      );
      if (unfit) return unfit;
      const backups = await deps.backups.list(clusterId);
      const holeIn = (backup: BackupRecord) => {
        const chain = chainOf(backup, backups);
        return chain.outcome === 'broken' ? chain.why : undefined;
      };
      const { homeSite } = cluster.document;
      const home = deps.sites[homeSite];
      if (input.until && !home) {
        return refused(
          'Restore.PointOutside',
          `until: the log of ${clusterId} lies at ${homeSite}, which is not in the settings`,
          {
            field: 'until',
          },
        );
      }
      const to =
        input.until &&
        home &&
        (await planUntil(
          clusterId,
          { site: homeSite, bucket: home.bucket, region: home.region },
          input.until,
          considered(backups, input.backupId),
          deps,
          holeIn,
        ));
      if (to?.outcome === 'refused') return to;
      const unfitFor = (backup: BackupRecord) => holeIn(backup) ?? to?.whyNot(backup);
      const choice = chooseBackup(clusterId, backups, input.backupId, input.allowSuspect, unfitFor);
      if (choice.outcome === 'refused') {
        return to && input.backupId === 'latest' ? pointUnreached(to, backups) : choice;
      }
      const { backup } = choice;
      const notRestorable = (why: string) =>
        refused('Backup.NotRestorable', `backupId: ${backup.backupId} ${why}`, {
          field: 'backupId',
          value: backup.backupId,
        });
      if (!deps.sites[backup.site.site]) {
        return notRestorable(
          `lies at site ${backup.site.site}, which is not in the settings (${Object.keys(deps.sites).join(', ')})`,
        );
      }
      const chain = chainOf(backup, backups);
      const other = member && kindRefusal(backup);
      if (other) return other;
      const links: Link[] = [];
      let whole: Manifest | undefined;
      for (const record of chain.outcome === 'whole' ? chain.links : [backup]) {
        const said = record === backup ? '' : `needs ${record.backupId}, which `;
        const stored = await deps.objectsOf(record.site).get(manifestKey(record));
        if (!stored) return notRestorable(`${said}has no manifest in ${record.site.bucket} any more`);
        const found = createHash('sha256').update(stored.body).digest('hex');
        if (found !== record.manifestSha256) {
          return notRestorable(
            `${said}has another manifest than the one recorded (SHA-256 ${record.manifestSha256}, found ${found})`,
          );
        }
        const decoded = decodeManifest(stored.body);
        if (member) whole = decoded;
        const manifest = plannedOf(decoded);
        const refusal = manifestRefusal(manifest);
        if (refusal) return refusal;
        links.push({ manifest, manifestSha256: found });
      }
      const target = { ...input.target, directory: path.directory };
      const records = chain.outcome === 'whole' ? chain.links : [backup];
      const log = to && backup.position ? to.orderFrom(backup.position) : undefined;
      const planned = planOf(backup, links, target, deps.mintJobId(), {
        ...(to && log
          ? { log, point: { lastCommit: to.point.lastCommit, perhapsLater: to.point.perhapsLater } }
          : {}),
        predictedSeconds: predictedRestoreSeconds(records, backups) + replaySeconds(log?.bytes ?? 0),
      });
      if (!member || !whole) return planned;
      const objects = deps.objectsOf(backup.site);
      const at = to?.point.lastCommit ?? whole.fingerprint.takenAt;
      const below = links.slice(0, -1).map(({ manifest }) => manifest);
      const answer = await planTables(input, whole, below, member, objects, at);
      if (answer.outcome === 'refused') return answer;
      const reached = to && log && (await reachedInto(answer.tables, log, to.changes(log.from)));
      return reached ?? withTables(planned, answer.tables);
    },
  });
