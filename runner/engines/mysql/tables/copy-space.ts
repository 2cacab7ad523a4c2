import { setTimeout as sleep } from 'node:timers/promises';
import type { TableName } from '../../../../contract/mysql-files/relations.ts';
import type { EngineContext } from '../../engine.ts';
import { checksumQuery, checksumText } from '../fingerprint/checksum.ts';
import { readLengths } from '../fingerprint/user-tables.ts';
import { quoteName, type Session } from '../session.ts';
import type { TableDefinition } from './definition.ts';
import { makeFollowers } from './followers.ts';
import { importSpace } from './import-space.ts';
import { keyColumns, keyRanges } from './key-ranges.ts';
import { type Live, withoutLog, withRowsInLog } from './live.ts';
import { isLarge } from './row-text.ts';
import type { Scratch } from './scratch.ts';
import { ddl, dropUnlogged, inSql, lockWait } from './working-tables.ts';

/** Ranges that are written at once. More would take more of a server that works for others. */
const rangesAtOnce = 2;
/** A table without a key to cut it by is one transaction up to this size. */
const wholeBytes = 8 * 1024 * 1024;
const insertSeconds = 3600;
const dropMs = 120_000;
const deadlock = 1213;
const mostTries = 5;

export type SpaceCopy = {
  scratch: Scratch;
  definition: TableDefinition;
  live: Live;
  /** The table that takes the rows, which is in the log and empty. */
  into: TableName;
  /** The name of the table that they are read of, which is in no log. */
  beside: TableName;
  /** The account of the live server's files. */
  user: string;
  /** Sum the rows as a fingerprint does. */
  summed: boolean;
  context: EngineContext;
};

export type Sums = { rows: number; checksum: string };

/** Why the rows of a table are not read of its tablespace on the live server; undefined where they are. */
export function whyNotOfSpace({ notImported, keyParts, source }: TableDefinition): string | undefined {
  if (notImported !== undefined) return notImported;
  if (keyColumns(keyParts) !== undefined || source.bytes <= wholeBytes) return undefined;
  return 'it has no primary key by which it could be cut';
}

/** Runs a statement that is a transaction of its own, again where another one's locks ended it. */
async function insert(session: Session, sql: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await session.run(sql, [], insertSeconds);
    } catch (error) {
      const { errno } = error as { errno?: number };
      if ((errno !== deadlock && errno !== lockWait) || tries === mostTries) throw error;
      await sleep(100 * tries);
    }
  }
}

async function copyRanges(copy: SpaceCopy, reader: Session): Promise<Sums> {
  const { definition, live, into, summed, context } = copy;
  const { source, columns } = definition;
  const key = keyColumns(definition.keyParts);
  const from = inSql(copy.beside);
  const { rowBytes } = await readLengths(copy.scratch.session, source);
  const large = columns.filter(({ type }) => isLarge(type)).map(({ name }) => name);
  async function* whole() {
    yield { where: '1', rows: 0 };
  }
  const ranges = key === undefined ? whole() : keyRanges(reader, { from, key, rowBytes, large });
  const force = key === undefined ? '' : ' FORCE INDEX (PRIMARY)';
  const names = columns.map(({ name }) => quoteName(name)).join(',');
  const read = makeFollowers(context.signal);
  let [rows, sum, xor, done] = [0, 0n, 0n, 0];
  let failed = false;

  const work = (session: Session) => async (): Promise<void> => {
    for (;;) {
      const next = await ranges.next();
      if (next.done || failed) return;
      const { where } = next.value;
      await read(session);
      await insert(
        session,
        `INSERT INTO ${inSql(into)} (${names}) SELECT ${names} FROM ${from}${force} WHERE ${where}`,
      );
      if (summed) {
        // What was written is read while the next range is written.
        const query = checksumQuery(source.columns, `${inSql(into)}${force} WHERE ${where}`);
        const [row] = await session.rows(query, [], insertSeconds);
        if (row?.n !== row?.c) throw new Error('a row does not fit into max_allowed_packet to be compared');
        rows += Number(row?.n ?? 0);
        sum += BigInt(row?.s ?? 0);
        xor ^= BigInt(row?.x ?? 0);
      }
      done += next.value.rows;
      context.progress('copying rows', done);
    }
  };
  const running = Array.from({ length: rangesAtOnce }, () =>
    withRowsInLog(live.login, context.signal, (session) => work(session)()).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const ended = await Promise.allSettled(running);
  const broken = ended.find((end) => end.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
  return { rows, checksum: checksumText(String(sum), String(xor)) };
}

/**
 * Copies rows on the live server itself: the scratch instance's tablespace is imported into a table that is in no log,
 * and its rows are inserted from there in ranges of the key, each a transaction in the log like any other. Several times
 * faster than rows as text, and as safe for those who follow the log, who see only the latter.
 * @returns sums over what was written, where they are asked for
 */
export async function copyBySpace(copy: SpaceCopy): Promise<Sums | undefined> {
  const { scratch, definition, live, beside, user, context } = copy;
  try {
    return await withoutLog(live.login, context.signal, async (unlogged) => {
      await ddl(unlogged, definition.createAs(beside));
      context.progress('importing');
      const { datadir } = live;
      await importSpace(
        scratch,
        definition.source,
        { session: unlogged, datadir, into: beside },
        user,
        context,
      );
      const sums = await copyRanges(copy, unlogged);
      return copy.summed ? sums : undefined;
    });
  } finally {
    await dropUnlogged(live.login, [beside], AbortSignal.timeout(dropMs));
  }
}
