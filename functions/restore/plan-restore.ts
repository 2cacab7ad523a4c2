import { createHash } from 'node:crypto';
import { z } from 'zod';
import { bytesOfChain } from '../../contract/formats/chain-need.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import { type BackupRecord, backupPlanSchema, siteRefSchema } from '../../contract/records/backup.ts';
import { clusterDocumentSchema } from '../../contract/records/cluster.ts';
import type { HostRecord } from '../../contract/records/host.ts';
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
import { type PlanUntilDeps, planUntil, type Reachable } from './plan-until.ts';
import { notYet, restoreRequestSchema } from './request.ts';
import { chooseBackup } from './restorable.ts';
import { predictedRestoreSeconds, replaySeconds } from './restore-time.ts';
import { targetDirectory } from './target-directory.ts';
import { restorePrograms } from './version-fit.ts';

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
});

export type PlannedRestore = z.infer<typeof plannedRestoreSchema>;

/** Why nothing is restored onto this host; undefined when something may be. */
export function hostRefusal(hostId: string, host: HostRecord | undefined): Refused | undefined {
  const facts = { field: 'target.hostId', value: hostId };
  if (!host) {
    return refused('Host.Unknown', `target.hostId: ${hostId} is not registered; register it first`, facts);
  }
  if (host.state !== 'registered') {
    return refused(
      'Host.Unknown',
      `target.hostId: ${hostId} has not answered its check; register it again`,
      facts,
    );
  }
  const { purposes } = host.document;
  if (purposes.some((p) => p === 'restore' || p === 'drill' || p === 'spare')) return undefined;
  return refused(
    'Host.WrongPurpose',
    `target.hostId: ${hostId} has the purposes ${purposes.join(', ')}; one of restore, drill, spare is needed`,
    facts,
  );
}

/** Why what the manifest describes cannot be restored; undefined when it can. */
export function manifestRefusal(
  manifest: Pick<Manifest, 'backupId' | 'flavour' | 'restore'>,
): Refused | undefined {
  if (!restorePrograms[manifest.flavour]) {
    return refused(
      'Restore.NotYet',
      `backupId: ${manifest.backupId} is of flavour ${manifest.flavour}; this version restores ${Object.keys(restorePrograms).join(', ')}`,
      { field: 'backupId', value: manifest.backupId },
    );
  }
  const outside = manifest.restore.outsideDatadir;
  if (outside.length === 0) return undefined;
  const shown =
    outside.slice(0, 5).join(', ') + (outside.length > 5 ? ` and ${outside.length - 5} more` : '');
  return refused(
    'Restore.OutsideDatadir',
    `backupId: ${manifest.backupId} holds tables outside the data directory (${shown}); a restore writes into target.directory only: move them into the data directory and back up again, or restore by hand`,
    { field: 'backupId', value: manifest.backupId, tables: outside.length },
  );
}

/** Why no log can be replayed on what the manifest describes; undefined when it can. */
const unreplayed = ({
  backupId,
  flavour,
  plan,
}: Pick<Manifest, 'backupId' | 'flavour' | 'plan'>): Refused | undefined =>
  flavour === 'mariadb' || plan.method === 'logical'
    ? undefined
    : refused(
        'Restore.NotYet',
        `until: the log is not replayed on a physical backup of ${flavour} in this version; leave out until, and the state of backup ${backupId} is restored`,
        { field: 'until', value: backupId },
      );

/** What the plan needs of a manifest: the whole ones of a long chain do not fit into the function's memory. */
type Planned = Pick<
  Manifest,
  'backupId' | 'engine' | 'flavour' | 'server' | 'restore' | 'metrics' | 'policy' | 'plan'
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
}: Manifest): Planned => ({
  backupId,
  engine,
  flavour,
  server,
  restore,
  metrics,
  policy,
  plan,
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
      order: { kind: 'check', ...kind, target },
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
const withLog = (need: { bytes: number; unpackedBytes: number }, log: PlannedRestore['log']) =>
  log === undefined ? need : { ...need, bytes: need.bytes + 3 * log.bytes + 512 * 1024 * 1024 };

/** No backup can be brought to the point: why not the newest and the oldest, and what can be had. */
function pointUnreached(to: Reachable, backups: readonly BackupRecord[]): Refused {
  const good = backups
    .filter(({ state, extra }) => (state === 'verified' || state === 'proven') && !extra)
    .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  const asked = [...new Set([good.at(-1), good[0]])].filter((backup) => backup !== undefined);
  const why = asked.map(
    (backup) => `${backup.backupId} (${backup.startedAt}): ${to.whyNot(backup) ?? 'fits'}`,
  );
  const { gtid, file, offset } = to.point.position;
  return refused(
    'Restore.PointOutside',
    `until: no verified backup leads to ${gtid || `${file}:${offset}`}${why.length > 0 ? `; ${why.join('; ')}` : ''}; ${to.nearest}`.slice(
      0,
      3500,
    ),
    { field: 'until' },
  );
}

export type PlanRestoreDeps = {
  clusters: Pick<Clusters, 'get'>;
  backups: Pick<Backups, 'list'>;
  hosts: Pick<Hosts, 'get'>;
  objectsOf: ObjectsOf;
  archives: PlanUntilDeps['archives'];
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
      const unfit = hostRefusal(input.target.hostId, await deps.hosts.get(input.target.hostId));
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
          backups,
          deps,
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
      if (to && backup.flavour !== 'mariadb') {
        const why = `until: the log of ${backup.flavour} is not replayed in this version; leave it out, and the state of the backup is restored`;
        return refused('Restore.NotYet', why, { field: 'until' });
      }
      const chain = chainOf(backup, backups);
      const links: Link[] = [];
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
        const manifest = plannedOf(decodeManifest(stored.body));
        const refusal = manifestRefusal(manifest) ?? (input.until && unreplayed(manifest));
        if (refusal) return refusal;
        links.push({ manifest, manifestSha256: found });
      }
      const target = { ...input.target, directory: path.directory };
      const records = chain.outcome === 'whole' ? chain.links : [backup];
      const log = to && backup.position ? to.orderFrom(backup.position) : undefined;
      return planOf(backup, links, target, deps.mintJobId(), {
        ...(to && log
          ? { log, point: { lastCommit: to.point.lastCommit, perhapsLater: to.point.perhapsLater } }
          : {}),
        predictedSeconds: predictedRestoreSeconds(records, backups) + replaySeconds(log?.bytes ?? 0),
      });
    },
  });
