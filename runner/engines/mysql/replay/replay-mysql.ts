import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  formatMysqlGtid,
  mysqlGtidSubtract,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';
import type { EngineContext, ReplayOutcome } from '../../engine.ts';
import { preparedTransactions } from '../prepared-transactions.ts';
import { quoteName, type Session } from '../session.ts';
import { quoteText } from '../words/quote.ts';
import { applyFailed, positionMissed, refuseOwnEvents, replayFailed, replayStalled } from './failures.ts';
import { firstLacking } from './first-lacking.ts';
import { withoutLostRows } from './memory-tables.ts';
import { type ReplayPlace, writeForServer } from './place.ts';
import {
  firstWorkerError,
  innodbCounters,
  judgeRelay,
  type RelayState,
  relayState,
} from './relay-applier.ts';
import { remoteTables } from './remote-tables.ts';
import { optionsOfBoth, type Replay, type ReplayRequest, type ReplayTarget } from './replay.ts';

/** Between two looks at the applier; the first ones come sooner, since there may be little to do. */
const lookMs = 200;
const firstLookMs = 25;
const namesShown = 50;
/** The server reads every relay log once when it is told of them: at 100 MB/s this is more than a terabyte. */
const takeSeconds = 4 * 3600;

/** A channel of its own takes the files that lie there under its name, also on a server that runs already. */
const channel = 'holdfast';
const relayBase = `relay-${channel}`;
const forChannel = `FOR CHANNEL ${quoteText(channel)}`;
const relayName = (n: number) => `${relayBase}.${String(n).padStart(6, '0')}`;

/**
 * Options of the restored server while it replays. The files are relay logs that no source has sent, so that none must be
 * fetched again, and each is removed once it is applied.
 */
const options: Replay['options'] = (place, memoryMiB, workers) => [
  ...optionsOfBoth(place, memoryMiB),
  '--loose-sync-relay-log-info=0',
  '--loose-sync-source-info=0',
  '--relay-log-recovery=OFF',
  '--relay-log-purge=ON',
  '--loose-replica-sql-verify-checksum=ON',
  `--loose-replica-parallel-workers=${workers}`,
  // 8.0's other way hands out whole databases.
  '--loose-replica-parallel-type=LOGICAL_CLOCK',
  // Nobody reads between two transactions, and nothing stays of a replay that does not end: a third of the time.
  '--loose-replica-preserve-commit-order=OFF',
  // What they count nobody looks at, and they cost a seventh; the tables of appliers are there without.
  '--performance-schema-instrument=%=OFF',
  // The account for this work is made and removed; nobody else reaches the server.
  '--super-read-only=OFF',
  '--read-only=OFF',
  '--loose-federated=OFF',
];

/**
 * Brings a restored server that nobody reaches from where its data stands to an exact point of the archived log, whose
 * files lie where its relay logs do, cut off at that point. With GTIDs what the data holds already skips itself, and
 * the set in the end must be the wanted one; without, the first file is entered at the backup's offset and all of the
 * last one must be applied. Leaves no channel behind.
 * Throws `Restore.ReplayFailed`, `Restore.ReplayStalled`, `Restore.PositionMissed`.
 */
async function replayMysql(
  request: ReplayRequest,
  target: ReplayTarget,
  context: EngineContext,
): Promise<ReplayOutcome> {
  const { session, place, account } = target;
  const { until } = request;
  const began = performance.now();
  refuseOwnEvents(request, target.serverId);
  const wanted = formatMysqlGtid(parseMysqlGtid(until.gtid));
  const executed = async () =>
    formatMysqlGtid(parseMysqlGtid((await session.rows('SELECT @@GLOBAL.gtid_executed AS g'))[0]?.g ?? ''));
  if (wanted !== '' && request.anonymous) {
    throw replayFailed(
      'the log holds transactions without GTIDs, and the point is told by GTIDs: nobody could say that they are applied',
    );
  }
  const before = await executed();
  if (wanted !== '') refuseBehind(before, wanted);
  const entry = await entryOf(request, before);
  const sizes = await Promise.all(request.files.map(async ({ path }) => (await stat(path)).size));
  const index = join(place.relay, `${relayBase}.index`);
  await writeForServer(index, request.files.map(({ path }) => `${path}\n`).join(''), account);
  await session.run(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST='holdfast', SOURCE_USER='nobody', RELAY_LOG_FILE=${quoteText(entry.file)}, RELAY_LOG_POS=${entry.offset} ${forChannel}`,
    [],
    takeSeconds,
  );
  const leftOut = await remoteTables(session, context);
  const begin = async () => {
    if (leftOut.length > 0) {
      const names = leftOut.map((table) => table.map(quoteName).join('.'));
      await session.run(
        `CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = (${names.join(', ')}) ${forChannel}`,
      );
    }
    await session.run(`START REPLICA SQL_THREAD ${forChannel}`);
  };
  await begin();
  const last = { file: relayName(sizes.length), offset: sizes.at(-1) ?? 0 };
  const aim = { wanted, last, sizes, whole: `${until.file}:${until.offset}` };
  const leaveOut = async (table: [string, string]) => {
    leftOut.push(table);
    await session.run(`STOP REPLICA SQL_THREAD ${forChannel}`, [], takeSeconds);
    await begin();
  };
  await withoutLostRows(session, () => watch(aim, target, context), leaveOut, context);
  await session.run(`STOP REPLICA SQL_THREAD ${forChannel}`, [], takeSeconds);
  const reached = await executed();
  if (wanted !== '' && reached !== wanted) throw positionMissed(reached, wanted);
  const answer: ReplayOutcome = {
    reached: wanted === '' ? { ...until, gtid: reached } : { kind: 'mysql', flavour: 'mysql', gtid: reached },
    seconds: 0,
    prepared: (await preparedTransactions(session)).slice(0, namesShown),
    disabledEvents: await disabledEventsIn(session),
    ...(leftOut.length === 0
      ? {}
      : { leftOut: leftOut.slice(0, namesShown).map((table) => table.join('.')) }),
  };
  await session.run(`RESET REPLICA ALL ${forChannel}`);
  return { ...answer, seconds: Math.round(performance.now() - began) / 1000 };
}

/** What the data of a backup that was taken while writers ran may hold besides cannot be taken back. */
function refuseBehind(executed: string, wanted: string): void {
  const behind = formatMysqlGtid(mysqlGtidSubtract(parseMysqlGtid(executed), parseMysqlGtid(wanted)));
  if (behind === '') return;
  throw positionMissed(
    executed,
    wanted,
    `: the backup's data holds ${behind} already, which lies behind the point; ask for a later one, or name an earlier backup`,
  );
}

type Entry = { file: string; offset: number };

/** Where the replay begins: at the first transaction that the data lacks, or where there are no GTIDs at its place. */
async function entryOf({ files, from, until }: ReplayRequest, executed: string): Promise<Entry> {
  const [first, second] = files;
  if (first === undefined) throw replayFailed('there are no archived files');
  if (until.gtid !== '') {
    // Entered further inside, its events are not where they say that they are.
    const offset = first.shift ? 4 : await firstLacking(first.path, parseMysqlGtid(executed));
    if (offset === undefined && second !== undefined) return { file: relayName(2), offset: 4 };
    return { file: relayName(1), offset: offset ?? 4 };
  }
  if (from.file !== first.name || from.offset === undefined) {
    throw replayFailed(`${from.file || 'the position'} is not the first of the archived files`, {
      file: from.file ?? '',
    });
  }
  return { file: relayName(1), offset: from.offset - (first.shift ?? 0) };
}

type Aim = {
  wanted: string;
  last: { file: string; offset: number };
  sizes: readonly number[];
  whole: string;
};

/** Watches until all is applied. */
async function watch(
  { wanted, last, sizes, whole }: Aim,
  { session, stallSeconds }: ReplayTarget,
  context: EngineContext,
): Promise<void> {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let moved = '';
  let movedAt = performance.now();
  for (let wait = firstLookMs; ; wait = Math.min(2 * wait, lookMs)) {
    context.signal.throwIfAborted();
    const state = await look(session);
    if (state.moved !== moved) {
      moved = state.moved;
      movedAt = performance.now();
    }
    const n = Number(/\.(\d+)$/.exec(state.file)?.[1] ?? 1) - 1;
    const done =
      sizes.slice(0, n).reduce((sum, size) => sum + size, 0) + (n < sizes.length ? state.offset : 0);
    context.progress('replaying', Math.min(done, total), total);
    const stands = formatMysqlGtid(parseMysqlGtid(state.gtid));
    const there = wanted !== '' ? stands === wanted : isBehind(state, last);
    const at = stands || `${state.file}:${state.offset}`;
    const stillSeconds = (performance.now() - movedAt) / 1000;
    switch (judgeRelay(state, there, stillSeconds, stallSeconds)) {
      case 'arrived':
        return;
      case 'apply-failed': {
        // What the worker says may come a moment after what the coordinator says of it.
        await sleep(lookMs);
        const later = await look(session);
        throw applyFailed(firstWorkerError([...later.errors, ...state.errors])!, at);
      }
      case 'missed':
        throw positionMissed(at, wanted || whole, ': the archived log holds no more');
      case 'ended':
        throw replayFailed(`the applier has ended at ${at} and does not say why`, { at });
      case 'stalled':
        throw replayStalled(stallSeconds, at);
      default:
        await sleep(wait);
    }
  }
}

/** Whether all of the last file is applied; the server goes on to the empty one that it has begun behind it. */
const isBehind = ({ file, offset }: RelayState, last: Aim['last']): boolean =>
  file > last.file || (file === last.file && offset >= last.offset);

async function look(session: Session): Promise<RelayState> {
  const [status] = await session.rows(`SHOW REPLICA STATUS ${forChannel}`);
  if (status === undefined) throw replayFailed('the restored server no longer knows what it replays');
  const threads = await session.rows(
    `SELECT * FROM (
       SELECT LAST_ERROR_NUMBER AS number, LAST_ERROR_MESSAGE AS message, '' AS gtid, '' AS busy, LAST_ERROR_TIMESTAMP AS at
         FROM performance_schema.replication_applier_status_by_coordinator
       UNION ALL
       SELECT LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE, APPLYING_TRANSACTION, IF(SERVICE_STATE = 'ON', APPLYING_TRANSACTION, ''), LAST_ERROR_TIMESTAMP
         FROM performance_schema.replication_applier_status_by_worker
     ) threads ORDER BY at`,
  );
  const names = innodbCounters.map(quoteText).join(', ');
  const counters = await session.rows(`SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`);
  return relayState(status, threads, counters.map(({ Value }) => Value).join(' '));
}

async function disabledEventsIn(session: Session): Promise<string[]> {
  const rows = await session.rows(
    "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME) AS name FROM information_schema.EVENTS WHERE STATUS LIKE '%SIDE_DISABLED' ORDER BY 1",
  );
  return rows.slice(0, namesShown).map(({ name }) => name ?? '');
}

/**
 * Workers of an applier on a host of so many processors. Handing a transaction to a worker that waits costs two switches
 * of threads, which a busy one saves: 150,000 transactions of one row took 24, 23, 19, 18 and 18 s of processor time on
 * two processors with 1, 2, 4, 8 and 16 workers that need not commit in order (0 is 1 in 9.7), 27 s with 8 that must.
 */
export const mysqlWorkers = (processors: number): number => Math.min(Math.max(8, processors), 16);

/** As a restore replays on MySQL and Percona Server. */
export const mysqlReplay: Replay = {
  options,
  account: (name, password) => [
    `CREATE USER ${name} IDENTIFIED BY '${password}'`,
    `GRANT ALL PRIVILEGES ON *.* TO ${name}`,
  ],
  workers: mysqlWorkers,
  // Files of several servers may bear one name; the server wants them beside its own relay logs.
  fileAt: (place: Pick<ReplayPlace, 'relay'>, n) => join(place.relay, relayName(n)),
  run: replayMysql,
};
