import { existsSync } from 'node:fs';
import { chmod, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { filesOfTables, isLogTable } from '../../../../contract/mysql-files/files-of-tables.ts';
import { type TableName, tableKey, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import { type Account, findAccount } from '../../../host/accounts.ts';
import { compareTables } from '../../compare-fingerprints.ts';
import type { EngineContext } from '../../engine.ts';
import { openFingerprint } from '../fingerprint/take.ts';
import { loadingConfig } from '../logical/restore/new-server.ts';
import type { Login } from '../login.ts';
import { preparedTransactions } from '../prepared-transactions.ts';
import { readRelations } from '../relations.ts';
import { replayDirectory } from '../replay/place.ts';
import type { ReadyLog } from '../replay/prove-and-replay.ts';
import { incrementDirectory, markerPath, stagingDirectory, temporaryDirectory } from '../restore/marker.ts';
import type { IsLeftOut } from '../restore/prepare.ts';
import { removeReplicationLeftovers } from '../restore/replication-leftovers.ts';
import { type RestoredServer, restoredServerOf } from '../restore/restored-server.ts';
import { newServerId, socketPath } from '../restore/server-config.ts';
import { makeSocketPlace, withStagedServer } from '../restore/staged-server.ts';
import { checkTables } from '../restore/table-check.ts';
import { quoteName, type Session } from '../session.ts';
import { applyRedo, leavesRedo } from './apply-redo.ts';

/** What the scratch instance is beside a restored one: it makes values of any size, and nothing of it must last. */
const scratchOptions = [
  'max-allowed-packet=1073741824',
  'innodb-buffer-pool-size=134217728',
  'innodb-flush-log-at-trx-commit=0',
];
const ownOptions = {
  mariadb: ['innodb-log-file-size=67108864'],
  // Tables are made like those of the backup, and dropped again.
  mysql: ['read-only=OFF', 'super-read-only=OFF'],
};

/** Seconds that the transactions which the backup found unfinished may take to be undone. */
const undoSeconds = 3600;

type Staged = { session: Session; staging: string };

export type Scratch = Staged & { login: Login };

/** The scratch instance as it lies there, between its starts. */
export type ScratchPlace = {
  program: RestoredServer['program'];
  configFile: string;
  staging: string;
  socket: string;
  user: string;
  account: Account;
  serverId: number;
  zone: string | undefined;
};

/** Lays out an instance on the prepared files. */
export async function makeScratch(order: RestoreTablesOrder, manifest: Manifest): Promise<ScratchPlace> {
  const { target } = order;
  const staging = stagingDirectory(target.directory);
  const account = findAccount(target.user);
  if (account === undefined) {
    throw new NamedError('Restore.UserUnknown', `there is no account ${target.user} on this host`, {
      user: target.user,
    });
  }
  const configFile = join(target.directory, 'my.cnf');
  const serverId = newServerId(manifest.server.serverId);
  const server = restoredServerOf(manifest.flavour);
  const options = [...scratchOptions, ...ownOptions[server.name]];
  const config = `${server.config(target, manifest, serverId)}${options.join('\n')}\n`;
  await writeFile(configFile, config, { mode: 0o644, flag: 'wx' });
  // The runner's umask takes it from others, and the server reads it under its own account.
  await chmod(configFile, 0o644);
  await removeReplicationLeftovers(staging);
  const socket = socketPath({ directory: staging, port: target.port }, 'staged.sock');
  await makeSocketPlace(socket, [staging], account);
  const { system_zone: zone } = manifest.server.variables;
  const { program } = server;
  return { program, configFile, staging, socket, user: target.user, account, serverId, zone };
}

/**
 * Runs the instance for the last time, reached by this process alone, for `work`.
 * @param replaying how it is run where a log is replayed on it meanwhile
 */
export async function withScratch<T>(
  place: ScratchPlace,
  context: EngineContext,
  work: (scratch: Scratch) => Promise<T>,
  isLeftOut: IsLeftOut = () => false,
  replaying?: ReadyLog['server'],
): Promise<T> {
  context.progress('starting the scratch instance');
  const { staging, socket } = place;
  let redoLeft = false;
  const onLine = (line: string) => {
    redoLeft ||= leavesRedo(line);
    replaying?.onLine(line);
  };
  const run = () =>
    withStagedServer({ ...place, context, ...replaying, onLine, thrownAway: true }, (session) =>
      work(scratchOf(session, staging, socket, replaying?.as)),
    );
  try {
    return await run();
  } catch (error) {
    if (!redoLeft) throw error;
  }
  await applyRedo(place, context, isLeftOut);
  return run();
}

/** The instance as seen by a session on it. */
const scratchOf = (
  session: Session,
  staging: string,
  socket: string,
  { user, password }: { user: string; password?: string } = { user: 'root' },
): Scratch => ({ session, login: { user, password, address: { socket } }, staging });

/** Removes all that the scratch instance had; the directory too, where nothing else is in it. */
export async function removeScratch(directory: string): Promise<void> {
  for (const path of [
    stagingDirectory(directory),
    incrementDirectory(directory),
    temporaryDirectory(directory),
    replayDirectory(directory),
    join(directory, 'my.cnf'),
    loadingConfig(directory),
    markerPath(directory),
  ]) {
    await rm(path, { recursive: true, force: true });
  }
  await rmdir(directory).catch(() => undefined);
}

/**
 * Ends what the backup found unfinished: nothing of it was committed at that point. Rows of a tablespace that is copied
 * as a file would otherwise come to count as committed.
 */
async function settle(session: Session, context: EngineContext): Promise<void> {
  for (const xid of await preparedTransactions(session)) await session.run(`XA ROLLBACK ${xid}`);
  const until = performance.now() + undoSeconds * 1000;
  for (;;) {
    const [row] = await session.rows(
      'SELECT COUNT(*) AS n FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID()',
    );
    if (Number(row?.n ?? 0) === 0) return;
    context.progress('undoing unfinished transactions');
    if (performance.now() > until) {
      throw new NamedError(
        'Restore.StartFailed',
        `${row?.n} transactions that the backup found unfinished were not undone within ${undoSeconds} s`,
        {},
      );
    }
    await sleep(200, undefined, { signal: context.signal });
  }
}

/** Tables of the set whose file is not there, those behind FULLTEXT too; prepare is silent about them (M19). */
async function withoutFile(order: RestoreTablesOrder, { session, staging }: Staged): Promise<string[]> {
  // As the dictionary in hand has it, which may be younger than what the manifest says of it.
  const roleOf = filesOfTables({ ...order, relations: await readRelations(session) }, new Set());
  const rows = await session.rows(session.words.tables.withOwnFile, [], 600);
  return rows
    .map((row) => `${row.name ?? ''}.ibd`)
    .filter((path) => path.includes('/') && roleOf(path) !== undefined && !existsSync(join(staging, path)));
}

export type Proven = { comparison: Manifest['comparison']; fingerprint: Fingerprint };

/** Opens and checks the tables of the set, and compares each with what was recorded at backup time. */
export async function proveTables(
  order: RestoreTablesOrder,
  manifest: Manifest,
  scratch: Staged,
  context: EngineContext,
): Promise<Proven> {
  const { session } = scratch;
  // What replication it had lies in files that are gone; this clears what the server may still know of it.
  await session.run(session.words.channels.reset).catch(() => undefined);
  await settle(session, context);
  const missing = await withoutFile(order, scratch);
  if (missing.length > 0) {
    throw new NamedError('Restore.TableUnreadable', `without a file: ${missing.slice(0, 20).join('; ')}`, {
      tables: missing.length,
    });
  }
  const set = [...order.tables, ...order.ancestors];
  const named = new Set(set.map(tableKey));
  const only = onlyOf(order, session);
  const isThere = (table: TableName) =>
    only === undefined || (table.schema === 'mysql' && !isLogTable(table)) || named.has(tableKey(table));
  await checkTables(
    session,
    manifest.fingerprint.coverage === 'full',
    context.log,
    (done, of) => context.progress(`opening tables: ${done} of ${of}`),
    isThere,
  );
  const fingerprint = await readScratch(session, manifest, context, only);
  const found = new Set(fingerprint.tables.map(tableKey));
  const absent = set.filter((table) => !found.has(tableKey(table)));
  // A dump's tables may come with sequences, of which only the definition is there.
  const { comparison, differences } = compareTables(
    manifest,
    fingerprint.tables.filter((table) => named.has(tableKey(table))),
  );
  const reasons = [...absent.map((table) => `${tableText(table)} is missing`), ...differences];
  if (reasons.length > 0) {
    throw new NamedError('Restore.FingerprintDiffers', reasons.slice(0, 20).join('; ').slice(0, 3500), {
      differences: reasons.length,
    });
  }
  return { comparison, fingerprint };
}

/** The tables to be read: MySQL knows all tables by its dictionary, MariaDB those whose definition is there. */
const onlyOf = ({ tables, ancestors }: RestoreTablesOrder, { words }: Session) =>
  words.family === 'mysql' ? [...tables, ...ancestors] : undefined;

/** Facts of all tables of the set, read as those of the backup were. */
async function readScratch(
  session: Session,
  manifest: Manifest,
  context: EngineContext,
  only?: readonly TableName[],
): Promise<Fingerprint> {
  context.progress('comparing');
  const like = manifest.fingerprint;
  const options = { applied: false, like, holdTables: false, ...(only && { only }) };
  const open = await openFingerprint(session, options);
  return open.finish((done, of) => context.progress(`comparing tables: ${done} of ${of}`));
}

/**
 * The schemas of the backup that are not there: a log that changes what is in them (routines, events) is replayed with
 * the rest.
 */
export async function makeSchemas(session: Session, manifest: Manifest): Promise<void> {
  for (const schema of new Set(manifest.fingerprint.tables.map((table) => table.schema))) {
    await session.run(`CREATE DATABASE IF NOT EXISTS ${quoteName(schema)}`);
  }
}

/** What the set holds after a replay; a table that is not there at the point is told by name. */
export async function readReplayed(
  order: RestoreTablesOrder,
  manifest: Manifest,
  { session }: Scratch,
  context: EngineContext,
): Promise<Fingerprint> {
  await settle(session, context);
  const fingerprint = await readScratch(session, manifest, context, onlyOf(order, session));
  const found = new Set(fingerprint.tables.map(tableKey));
  const absent = order.tables.filter((table) => !found.has(tableKey(table)));
  if (absent.length === 0) return fingerprint;
  throw new NamedError(
    'Restore.TableUnknown',
    `tables: ${absent.map(tableText).join(', ')} ${absent.length === 1 ? 'is' : 'are'} not there at that point of the log; choose one before`,
    { tables: absent.length },
  );
}
