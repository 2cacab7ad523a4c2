import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import {
  formatMysqlGtid,
  type MysqlGtidSet,
  mysqlGtidUnion,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { Log } from '../../engine.ts';
import { makeBinlogParser } from '../binlog/parser.ts';
import { sortedGtids } from '../position.ts';
import type { Session } from '../session.ts';

const differs = (found: string, expected: string) =>
  new NamedError(
    'Restore.FingerprintDiffers',
    `the restored data stands at ${found || 'no position'}, the backup was recorded at ${expected}`,
    { found: found.slice(0, 1000), expected: expected.slice(0, 1000) },
  );

/**
 * Makes the restored MariaDB stand where its data does, so that it can follow the survivor by GTID: a replica's position
 * is in its tables, that of a primary was only in its binary log, which is not in the backup.
 */
export async function setMariadbPosition(session: Session, manifest: Manifest): Promise<void> {
  const expected = manifest.position?.gtid ?? '';
  if (expected === '') return;
  const slavePosition = async () =>
    sortedGtids((await session.rows('SELECT @@GLOBAL.gtid_slave_pos AS gtid'))[0]?.gtid ?? '');
  // A dump has no replica's position in its tables either.
  const inTables = manifest.server.role === 'replica' && manifest.plan.method === 'physical';
  if (!inTables) await session.run('SET GLOBAL gtid_slave_pos = ?', [expected]);
  const found = await slavePosition();
  if (found !== sortedGtids(expected)) throw differs(found, expected);
}

/** The base name of the server's binary logs, by which its files are told from others. */
const logBase = ({ server }: Pick<Manifest, 'server'>) => basename(server.variables.log_bin_basename ?? '');

/** The binary logs of the old server that a backup carries: XtraBackup copies the one that was being written. */
export async function carriedLogs(directory: string, manifest: Pick<Manifest, 'server'>): Promise<string[]> {
  const base = logBase(manifest);
  if (base === '') return [];
  return (await readdir(directory))
    .filter((name) => name.startsWith(`${base}.`) && /^\.(?:\d{6,}|index)$/.test(name.slice(base.length)))
    .sort();
}

/** The transactions that the carried log names: those before it and those in it. Empty where there is none. */
async function gtidsOfCarriedLog(directory: string, manifest: Manifest): Promise<MysqlGtidSet> {
  const file = (await carriedLogs(directory, manifest)).findLast((name) => !name.endsWith('.index'));
  if (file === undefined) return new Map();
  const parser = makeBinlogParser({ from: 0, flavour: 'mysql' }, { transaction: () => undefined });
  for await (const bytes of createReadStream(join(directory, file))) parser.push(bytes as Buffer);
  return parseMysqlGtid(parser.gtid());
}

/**
 * Makes the restored MySQL know what its data holds. Its own table may lack the last transactions, and what the tool
 * recorded may, while writers ran, lack those that were being committed; the log that came with the backup names them.
 * Where the backup stood still all must be the recorded set.
 * @returns where the data stands
 */
export async function setMysqlPosition(
  session: Session,
  manifest: Manifest,
  directory: string,
  log: Log,
): Promise<MysqlPosition | null> {
  const { position } = manifest;
  if (position === null || position.kind !== 'mysql' || position.gtid === '') return position;
  const executed = async () =>
    parseMysqlGtid((await session.rows('SELECT @@GLOBAL.gtid_executed AS gtid'))[0]?.gtid ?? '');
  const before = await executed();
  const recorded = parseMysqlGtid(position.gtid);
  const logged =
    manifest.comparison === 'exact'
      ? new Map()
      : await gtidsOfCarriedLog(directory, manifest).catch((error: Error) => {
          log('the log that came with the backup cannot be read; the recorded position is taken', {
            cause: error.message,
          });
          return new Map();
        });
  const all = mysqlGtidUnion(mysqlGtidUnion(recorded, before), logged);
  const gtid = formatMysqlGtid(all);
  if (manifest.comparison === 'exact' && gtid !== formatMysqlGtid(recorded))
    throw differs(gtid, position.gtid);
  if (formatMysqlGtid(before) !== gtid) {
    await session.run('SET GLOBAL super_read_only=OFF');
    await session.run(session.words.resetLogs);
    await session.run('SET GLOBAL gtid_purged = ?', [gtid]);
    await session.run('SET GLOBAL super_read_only=ON');
  }
  const after = formatMysqlGtid(await executed());
  if (after !== gtid) throw differs(after, gtid);
  return { ...position, gtid };
}
