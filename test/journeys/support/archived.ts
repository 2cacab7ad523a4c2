import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MysqlPosition } from '../../../contract/positions/position.ts';
import type { Until } from '../../../contract/records/until.ts';
import { logOrderOf, whyNotFrom } from '../../../functions/restore/point/log-order.ts';
import { resolvePoint } from '../../../functions/restore/point/resolve-point.ts';
import type { DatabaseServer } from '../../../infra/local/database-server.ts';
import type { ArchivedLog } from '../../../runner/engines/engine.ts';
import { type AssembledLog, assembleLog } from '../../../runner/engines/mysql/replay/assemble.ts';
import { archivedLog } from '../../../runner/job/archived-log.ts';
import { stretchOf } from '../../doubles/archived-segments.ts';
import type { Part, StoredSegment } from '../../doubles/stored-log.ts';
import { contextIn } from './mysql-jobs.ts';

/** The log files of a server in their order, as parts of an archive. */
export const logFilesOf = ({ datadir, serverId }: DatabaseServer): Part[] =>
  readdirSync(datadir)
    .filter((name) => /^binlog\.\d+$/.test(name))
    .sort()
    .map((name) => ({
      name,
      path: join(datadir, name),
      memberId: 'db1',
      server: { uuid: `server ${serverId}`, serverId },
    }));

/** The log that a restore from this position to this point is given: planned as control does, fetched as the runner does. */
export async function planned(
  stored: readonly StoredSegment[],
  from: MysqlPosition,
  until: Until,
  directory: string,
): Promise<ArchivedLog & { until: MysqlPosition }> {
  const stretch = stretchOf(stored);
  const point = await resolvePoint(until, stretch, async (n) => stored[n]!.index);
  if (point.outcome !== 'point') throw new Error(`${point.why}; ${point.nearest}`);
  const why = whyNotFrom(from, point, stretch);
  if (why !== undefined) throw new Error(why);
  const order = logOrderOf(from, point, stretch);
  const bodies = new Map(stored.map(({ key, body }) => [key, body]));
  const store = { getSmallObject: async ({ key }: { key: string }) => bodies.get(key)! };
  const log = archivedLog(order, 'shop', store, contextIn(directory));
  return { ...log, until: point.position };
}

let assemblies = 0;

/** The files of that log, as the engine puts them together. */
export async function assembled(log: ArchivedLog, directory: string): Promise<AssembledLog> {
  const place = join(directory, `assembled-${assemblies++}`);
  mkdirSync(join(place, 'segments'), { recursive: true });
  const paths = await log.fetch(join(place, 'segments'));
  return assembleLog(paths, log.until, (n) => join(place, `archive.${String(n).padStart(6, '0')}`));
}
