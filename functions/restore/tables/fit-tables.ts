import type { ErrorName } from '../../../contract/errors/names.ts';
import type { CheckResult } from '../../../contract/records/job.ts';
import type { RestoreTablesOrder } from '../../../contract/records/restore-tables.ts';
import type { Misfit } from '../fit-restore.ts';
import type { PlannedRestore } from '../plan-restore.ts';
import type { PlannedTables } from './plan-tables.ts';

/** Everything that keeps the member from taking the tables, and its host from preparing them; empty when it fits. */
export function tablesMisfits(
  { target, tables }: PlannedRestore & { tables: PlannedTables },
  check: CheckResult,
): Misfit[] {
  const said = check.tables;
  if (said === undefined) {
    const cause = `target.hostId: the runner of ${target.hostId} (${check.runnerVersion}) restores no single tables; install this release there`;
    return [{ name: 'Runner.VersionUnsupported', field: 'target.hostId', cause }];
  }
  const misfits: Misfit[] = said.refusals.map(({ name, cause }) => ({
    name: name as ErrorName,
    field: cause.startsWith('tables:') ? 'tables' : 'into',
    cause,
  }));
  const live = check.member;
  if (live === undefined) return misfits;
  const needed = tables.liveBytes + (said.sameDisk ? tables.scratchBytes : 0);
  if (live.freeBytes < needed) {
    misfits.push({
      name: 'Restore.NoSpace',
      field: 'into',
      cause: `into: the data disk of ${live.memberId} has ${live.freeBytes} bytes free; the tables need ${tables.liveBytes} beside the live ones${
        said.sameDisk ? ` and ${tables.scratchBytes} in target.directory, which is on the same disk` : ''
      }`,
    });
  }
  return misfits;
}

/** The order that brings the planned tables beside the live ones. */
export const tablesOrderOf = ({
  tables,
  ...planned
}: PlannedRestore & { tables: PlannedTables }): RestoreTablesOrder => ({
  kind: 'restore-tables',
  clusterId: planned.clusterId,
  backupId: planned.backupId,
  engine: planned.engine,
  flavour: planned.flavour,
  site: planned.site,
  target: planned.target,
  manifestSha256: planned.manifestSha256,
  policy: { stallSeconds: planned.policy.stallSeconds, memoryMiB: planned.policy.memoryMiB },
  member: tables.member,
  tables: tables.wanted,
  ancestors: tables.ancestors,
  ...(planned.chain === undefined ? {} : { chain: planned.chain }),
  ...(planned.log === undefined ? {} : { log: planned.log }),
});
