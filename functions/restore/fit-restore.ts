import { z } from 'zod';
import type { ErrorName } from '../../contract/errors/names.ts';
import { hostId } from '../../contract/records/ids.ts';
import {
  type CheckResult,
  checkResultSchema,
  protocolVersion,
  type RestoreOrder,
} from '../../contract/records/job.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { keyMisfits } from './keys.ts';
import { type PlannedRestore, plannedRestoreSchema } from './plan-restore.ts';
import { tablesMisfits, tablesOrderOf } from './tables/fit-tables.ts';
import type { PlannedTables } from './tables/plan-tables.ts';
import { restorePrograms, serverMisfit, toolMisfit } from './version-fit.ts';

/** One thing that is wrong with the target: the field, its value, and what would be right. */
export type Misfit = { name: ErrorName; field: string; cause: string };

/** `7.4 GB`, as disks are sold: 10⁹ bytes; needs are rounded up and room is rounded down. */
const gigabytes = (bytes: number, round: 'up' | 'down') =>
  `${((round === 'up' ? Math.ceil(bytes / 1e8) : Math.floor(bytes / 1e8)) / 10).toFixed(1)} GB`;

function spaceMisfit({ target, need }: PlannedRestore, freeBytes: number): Misfit[] {
  if (freeBytes >= need.bytes) return [];
  const split =
    need.unpackedBytes > 0 && need.unpackedBytes < need.bytes
      ? ` (unpacked ${gigabytes(need.unpackedBytes, 'up')}, prepare ${gigabytes(need.bytes - need.unpackedBytes, 'up')})`
      : '';
  return [
    {
      name: 'Restore.NoSpace',
      field: 'target.directory',
      cause: `target.directory: ${target.directory} has ${gigabytes(freeBytes, 'down')} free; this backup needs ${gigabytes(need.bytes, 'up')}${split}`,
    },
  ];
}

function programMisfits(
  { target, need, flavour, method }: PlannedRestore,
  tools: CheckResult['tools'],
): Misfit[] {
  const { server, tool } = restorePrograms[flavour] ?? { server: flavour, tool: flavour };
  const field = 'target.hostId';
  const judge = (
    program: string,
    misfit: (backup: string, target: string) => string | undefined,
  ): Misfit[] => {
    const version = tools[program] ?? null;
    if (version === null) {
      const cause = `target.hostId: ${target.hostId} lacks ${program}; the backup is of ${need.serverVersion}: install ${program} of that series`;
      return [{ name: 'Restore.ToolMissing', field, cause }];
    }
    const right = misfit(need.serverVersion, version);
    if (right === undefined) return [];
    const cause = `target.hostId: ${target.hostId} has ${program} ${version}; the backup is of ${need.serverVersion}: ${right}`;
    return [{ name: 'Restore.VersionMismatch', field, cause }];
  };
  // A dump is loaded by the server itself.
  return [...judge(server, serverMisfit), ...(method === 'logical' ? [] : judge(tool, toolMisfit))];
}

function placeMisfits({ target }: PlannedRestore, found: NonNullable<CheckResult['target']>): Misfit[] {
  const misfits: Misfit[] = [];
  const directory = (what: string) =>
    misfits.push({
      name: 'Restore.DirectoryNotEmpty',
      field: 'target.directory',
      cause: `target.directory: ${target.directory} ${what}; name a directory that is absent or empty`,
    });
  if (found.directoryState === 'not-empty') {
    directory(`holds ${found.entries.map((e) => JSON.stringify(e)).join(', ') || 'files'}`);
  }
  if (found.directoryState === 'not-a-directory') directory('is not a directory');
  if (!found.portFree) {
    misfits.push({
      name: 'Restore.PortTaken',
      field: 'target.port',
      cause: `target.port: something listens on ${target.port} of ${target.hostId}; name a free port`,
    });
  }
  if (!found.userExists) {
    misfits.push({
      name: 'Restore.UserUnknown',
      field: 'target.user',
      cause: `target.user: ${target.hostId} has no account ${target.user}; create it or name another`,
    });
  }
  return misfits;
}

/** MariaDB's log is served to the target, MySQL's becomes its relay logs. */
const replayAbility = (flavour: string) => (flavour === 'mariadb' ? 'replay' : 'relay-replay');

function abilityMisfits(
  { chain, log, method, flavour, tables, target }: PlannedRestore,
  { abilities = [], runnerVersion }: CheckResult,
): Misfit[] {
  const lacks = (ability: string, what: string, instead: string): Misfit[] => {
    if (abilities.includes(ability)) return [];
    const cause = `target.hostId: the runner of ${target.hostId} (${runnerVersion}) ${what}; install this release there, or ${instead}`;
    return [{ name: 'Runner.VersionUnsupported', field: 'target.hostId', cause }];
  };
  return [
    ...(chain === undefined
      ? []
      : lacks('incremental', 'restores no incrementals', `name the full ${chain[0]?.backupId}`)),
    ...(chain === undefined || tables === undefined
      ? []
      : lacks(
          'tables-of-chains',
          'restores no tables of incrementals',
          `name the full ${chain[0]?.backupId}`,
        )),
    ...(method === 'logical' ? lacks('logical', 'loads no dumps', 'name a physical backup') : []),
    ...(log === undefined
      ? []
      : lacks(replayAbility(flavour), `replays no logs of ${flavour}`, 'leave out until')),
    ...(log !== undefined && tables !== undefined && method === 'logical'
      ? lacks('replay-dumped-tables', 'replays no logs on tables of a dump', 'leave out until')
      : []),
    ...(log !== undefined && tables !== undefined && flavour !== 'mariadb'
      ? lacks('relay-replay-tables', `replays no logs of ${flavour} on single tables`, 'leave out until')
      : []),
  ];
}

const hasTables = (planned: PlannedRestore): planned is PlannedRestore & { tables: PlannedTables } =>
  planned.tables !== undefined;

/** Everything that keeps this target from taking the restore; empty when it fits. */
export function misfitsOf(
  planned: PlannedRestore,
  check: CheckResult & { target: NonNullable<CheckResult['target']> },
): Misfit[] {
  return [
    ...placeMisfits(planned, check.target),
    ...abilityMisfits(planned, check),
    ...programMisfits(planned, check.tools),
    ...spaceMisfit(planned, check.target.freeBytes),
    ...keyMisfits(planned.check.order, check),
    ...(hasTables(planned) ? tablesMisfits(planned, check) : []),
  ];
}

/** The order that brings the planned backup to its target. */
export const restoreOrderOf = (planned: PlannedRestore): RestoreOrder => ({
  kind: 'restore',
  clusterId: planned.clusterId,
  backupId: planned.backupId,
  engine: planned.engine,
  flavour: planned.flavour,
  site: planned.site,
  target: planned.target,
  manifestSha256: planned.manifestSha256,
  ...(planned.chain === undefined ? {} : { chain: planned.chain }),
  ...(planned.log === undefined ? {} : { log: planned.log }),
  policy: { stallSeconds: planned.policy.stallSeconds, memoryMiB: planned.policy.memoryMiB },
});

const eventSchema = z.object({
  planned: plannedRestoreSchema,
  check: checkResultSchema.required({ target: true }),
});

export type FitAnswer =
  | {
      outcome: 'fits';
      jobId: string;
      hostId: string;
      order: RestoreOrder | RestoreTablesOrder;
      deadlineSeconds: number;
    }
  | Refused;

/** "Decide whether the target fits": refused before anything is touched, with all that is wrong. */
export const makeHandler = (deps: { mintJobId: () => string }) =>
  makeLambda({
    name: 'fit-restore',
    event: eventSchema,
    onInvalid: 'refuse',
    handle: async ({ planned, check }): Promise<FitAnswer> => {
      if (check.protocol !== protocolVersion && check.protocol !== protocolVersion - 1) {
        return refused(
          'Runner.VersionUnsupported',
          `target.hostId: the runner of ${planned.target.hostId} (${check.runnerVersion}) speaks version ${check.protocol} of the job protocol; ${protocolVersion - 1} and ${protocolVersion} are understood`,
          { field: 'target.hostId', value: planned.target.hostId },
        );
      }
      const misfits = misfitsOf(planned, check);
      const [first] = misfits;
      if (first) {
        return refused(first.name, misfits.map((m) => m.cause).join('. '), { field: first.field });
      }
      return {
        outcome: 'fits',
        jobId: deps.mintJobId(),
        hostId: hostId.parse(planned.target.hostId),
        order: hasTables(planned) ? tablesOrderOf(planned) : restoreOrderOf(planned),
        deadlineSeconds: planned.policy.deadlineHours * 3600,
      };
    },
  });
