import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TableName, tableKey } from '../../../../contract/mysql-files/relations.ts';
import { tableFile } from '../../../../contract/mysql-files/table-file.ts';
import type { EngineContext } from '../../engine.ts';
import type { Session } from '../session.ts';
import type { Scratch } from './scratch.ts';
import { ddl, inSql } from './working-tables.ts';

const importSeconds = 24 * 3600;

/** The path of a table's tablespace without its extension, as InnoDB names it; undefined where it has none of its own. */
export async function spaceOf(session: Session, { schema, table }: TableName): Promise<string | undefined> {
  if (session.words.family === 'mysql') {
    const wanted = tableKey({ schema, table });
    const names = (await session.rows(session.words.tables.withOwnFile, [], 600)).map(
      (row) => row.name ?? '',
    );
    return names.find((name) => {
      const file = tableFile(`${name}.ibd`);
      return (
        file?.partition === undefined &&
        file !== undefined &&
        tableKey({ schema: file.db, table: file.table }) === wanted
      );
    });
  }
  // Names are those of the files.
  const rows = await session.rows(
    `SELECT t.NAME AS name FROM information_schema.INNODB_SYS_TABLES t WHERE t.SPACE > 0
     AND CAST(t.NAME AS BINARY) =
       CONCAT(CAST(CONVERT(? USING filename) AS BINARY), '/', CAST(CONVERT(? USING filename) AS BINARY))`,
    [schema, table],
  );
  return rows[0]?.name ?? undefined;
}

/**
 * Puts the scratch instance's tablespace of a table in the place of that of a table of the same definition on the live
 * server, whose log must not be followed by anybody (M05). The file is copied as the server's account, so that it can
 * neither land elsewhere nor be another's.
 * @param datadir of the live server
 */
export async function importSpace(
  scratch: Scratch,
  source: TableName,
  live: { session: Session; datadir: string; into: TableName },
  user: string,
  context: EngineContext,
): Promise<void> {
  const from = await spaceOf(scratch.session, source);
  const to = await spaceOf(live.session, live.into);
  if (from === undefined || to === undefined) throw new Error('it has no tablespace of its own');
  await ddl(live.session, `ALTER TABLE ${inSql(live.into)} DISCARD TABLESPACE`);
  await scratch.session.run(`FLUSH TABLES ${inSql(source)} FOR EXPORT`, [], importSeconds);
  const copied: string[] = [];
  try {
    for (const extension of ['ibd', 'cfg']) {
      const target = join(live.datadir, dirname(to), `${to.slice(to.indexOf('/') + 1)}.${extension}`);
      copied.push(target);
      const end = await context.runChild({
        command: 'cp',
        args: ['--no-clobber', '--', join(scratch.staging, `${from}.${extension}`), target],
        user,
        signal: context.signal,
      });
      context.signal.throwIfAborted();
      if (end.exitCode !== 0) throw new Error(end.stderrTail.join(' '));
      context.progress('importing');
    }
  } catch (error) {
    for (const path of copied) await rm(path, { force: true });
    throw error;
  } finally {
    await scratch.session.run('UNLOCK TABLES');
  }
  try {
    await ddl(live.session, `ALTER TABLE ${inSql(live.into)} IMPORT TABLESPACE`, importSeconds);
  } catch (error) {
    // MySQL would leave it when it drops the table, and find it in the way when the table is made once more.
    await rm(copied[0]!, { force: true });
    throw error;
  } finally {
    await rm(copied[1]!, { force: true });
  }
}
