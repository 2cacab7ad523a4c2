import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  formatMariadbGtid,
  mariadbGtidSubtract,
  parseMariadbGtid,
} from '../../../../contract/positions/mariadb-gtid.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { EngineContext, ReplayOutcome } from '../../engine.ts';
import { preparedTransactions } from '../prepared-transactions.ts';
import type { Session } from '../session.ts';
import { quoteText } from '../words/quote.ts';
import { firstError } from './applier-error.ts';
import { applyFailed, positionMissed, refuseOwnEvents, replayFailed, replayStalled } from './failures.ts';
import { withoutLostRows } from './memory-tables.ts';
import { archiveFile, type ReplayPlace } from './place.ts';
import { remoteTables } from './remote-tables.ts';
import { optionsOfBoth, type Replay, type ReplayRequest, type ReplayTarget } from './replay.ts';
import { type ScratchSource, withScratchSource } from './scratch-source.ts';
import { type ApplierState, applierState, judgeApplier, workCounters } from './watch-applier.ts';

/**
 * Workers of an applier on a host of so many processors. Measured with 150,000 transactions of one row on two
 * processors (`npm run bench replay`): handing small transactions to workers costs more than they bring there.
 */
export const mariadbWorkers = (processors: number): number =>
  processors <= 2 ? 0 : Math.min(processors - 1, 8);

/**
 * Workers for a log that goes on in several domains: none. They apply what is of different domains in any order, and a
 * failover to a server that writes in a domain of its own makes one depend on the other.
 */
export const workersFor = (
  { from, until }: Pick<ReplayRequest, 'from' | 'until'>,
  workers: number,
): number =>
  mariadbGtidSubtract(parseMariadbGtid(until.gtid), parseMariadbGtid(from.gtid)).size > 1 ? 0 : workers;

/** Between two looks at the applier. */
const lookMs = 200;
const namesShown = 50;
const relaySpaceBytes = 256 * 1024 * 1024;

/** Options of the restored server while it replays. Relay logs stay small, because the source waits. */
export const replayOptions = (place: Pick<ReplayPlace, 'relay'>, memoryMiB: number): string[] => [
  ...optionsOfBoth(place, memoryMiB),
  // Files of tables stay in the data directory, whatever DATA DIRECTORY a definition names (M18): on a host that has
  // the old server too, its files lie there.
  '--skip-symbolic-links',
  '--sync-relay-log-info=0',
  '--sync-master-info=0',
  `--relay-log-info-file=${place.relay}/relay-log.info`,
  `--relay-log-space-limit=${relaySpaceBytes}`,
  `--max-relay-log-size=${relaySpaceBytes / 4}`,
  '--slave-sql-verify-checksum=ON',
  // What asks another server for its tables would ask, and tell, production (M17). With the prefix, since a server
  // takes `connect` for the beginning of `connect-timeout`.
  ...['federated', 'connect', 'spider', 's3'].map((engine) => `--loose-plugin-${engine}=OFF`),
];

/**
 * Brings a restored server that nobody reaches from where its data stands to an exact point of the archived log,
 * through its own applier. It runs with its accounts and with `replayOptions`.
 * Leaves no channel behind. Throws `Restore.ReplayFailed`, `Restore.ReplayStalled`, `Restore.PositionMissed`.
 */
export async function replayMariadb(
  request: ReplayRequest,
  target: ReplayTarget,
  context: EngineContext,
): Promise<ReplayOutcome> {
  const { session } = target;
  const began = performance.now();
  refuseOwnEvents(request, target.serverId);
  await session.run(
    `SET GLOBAL slave_parallel_threads = ${workersFor(request, target.workers)}, slave_parallel_mode = 'optimistic', gtid_strict_mode = OFF, gtid_ignore_duplicates = ${request.repeats ? 'ON' : 'OFF'}`,
  );
  const leftOut = (await remoteTables(session, context)).map((table) => table.join('.'));
  const ignore = () => session.run('SET GLOBAL replicate_ignore_table = ?', [leftOut.join(',')]);
  await ignore();
  const source = {
    place: target.place,
    files: request.files.map(({ path }) => path),
    // Its own events are of no transaction; only the restored server must not have its id.
    serverId: target.serverId === 1 ? 2 : target.serverId - 1,
    user: target.user,
    account: target.account,
    context,
  };
  const last = await withScratchSource(source, async (scratch) => {
    await startApplier(session, request, scratch);
    const leaveOut = async (table: [string, string]) => {
      leftOut.push(table.join('.'));
      await session.run('STOP SLAVE');
      await ignore();
      await session.run(`START SLAVE UNTIL ${endOf(request)}`);
    };
    return withoutLostRows(session, () => watch(request, target, scratch, context), leaveOut, context);
  });
  const reached = await whereItStands(session, request, last);
  const prepared = await preparedTransactions(session);
  const events = await session.rows(
    "SELECT CONCAT(db, '.', name) AS name FROM mysql.event WHERE status = 'SLAVESIDE_DISABLED' ORDER BY 1",
  );
  await session.run('STOP SLAVE');
  await session.run('RESET SLAVE ALL');
  return {
    reached,
    seconds: Math.round(performance.now() - began) / 1000,
    prepared: prepared.slice(0, namesShown),
    disabledEvents: events.slice(0, namesShown).map((row) => row.name ?? ''),
    ...(leftOut.length === 0 ? {} : { leftOut: leftOut.slice(0, namesShown) }),
  };
}

async function startApplier(session: Session, request: ReplayRequest, scratch: ScratchSource): Promise<void> {
  const { from, until } = request;
  const to = `master_host = '127.0.0.1', master_port = ${scratch.port}, master_user = ${quoteText(scratch.user)}, master_password = ${quoteText(scratch.password)}, master_connect_retry = 1, master_heartbeat_period = 5`;
  if (until.gtid !== '') {
    await session.run(`CHANGE MASTER TO ${to}, master_use_gtid = slave_pos`);
  } else {
    await session.run(`CHANGE MASTER TO ${to}, ${placeOf(request, from)}, master_use_gtid = no`);
  }
  await session.run(`START SLAVE UNTIL ${endOf(request)}`);
}

const placeOf = (request: ReplayRequest, position: MysqlPosition) =>
  `master_log_file = ${quoteText(servedName(request, position))}, master_log_pos = ${position.offset ?? 4}`;

const endOf = (request: ReplayRequest) =>
  request.until.gtid === ''
    ? placeOf(request, request.until)
    : `master_gtid_pos = ${quoteText(request.until.gtid)}`;

/** What the scratch server calls the file of this position. */
function servedName({ files }: ReplayRequest, { file = '' }: MysqlPosition): string {
  const found = files.find(({ name }) => name === file);
  if (found === undefined)
    throw replayFailed(`${file || 'the position'} is not among the archived files`, { file });
  return found.path.slice(found.path.lastIndexOf('/') + 1);
}

/** Watches until the applier has ended by itself. */
async function watch(
  { files }: ReplayRequest,
  { session, stallSeconds, errors }: ReplayTarget,
  scratch: ScratchSource,
  context: EngineContext,
): Promise<ApplierState> {
  const sizes = await Promise.all(files.map(async ({ path }) => (await stat(path)).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // What an earlier attempt was told of is dealt with.
  const told = errors.length;
  let moved = '';
  let movedAt = performance.now();
  for (;;) {
    context.signal.throwIfAborted();
    const state = await look(session);
    if (state.moved !== moved) {
      moved = state.moved;
      movedAt = performance.now();
    }
    const n = files.findIndex(({ path }) => path.endsWith(`/${state.file}`));
    const done = n < 0 ? 0 : sizes.slice(0, n).reduce((sum, size) => sum + size, 0) + state.offset;
    context.progress('replaying', Math.min(done, total), total);
    const stillSeconds = (performance.now() - movedAt) / 1000;
    switch (judgeApplier(state, stillSeconds, stallSeconds)) {
      case 'ended':
        return state;
      case 'apply-failed': {
        // The lines of its log may come a moment after its status.
        await sleep(lookMs);
        throw applyFailed(firstError(errors.slice(told), state.applyError), state.gtid);
      }
      case 'receive-failed':
        throw replayFailed(
          `the archived log cannot be read from ${state.gtid || 'its beginning'} on: ${state.receiveError.message}`,
          { errno: state.receiveError.errno, at: state.gtid },
        );
      case 'stalled':
        throw replayStalled(stallSeconds, state.gtid || `${state.file}:${state.offset}`);
      default:
        scratch.lost.throwIfAborted();
    }
    await sleep(lookMs);
  }
}

async function look(session: Session): Promise<ApplierState> {
  const [row] = await session.rows('SHOW ALL SLAVES STATUS');
  if (row === undefined) throw replayFailed('the restored server no longer knows what it replays');
  const names = workCounters.map((name) => quoteText(name)).join(', ');
  const counters = await session.rows(`SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`);
  return applierState(row, counters.map(({ Value }) => Value).join(' '));
}

/** Where the data stands, which must be where it was asked to be. */
async function whereItStands(
  session: Session,
  request: ReplayRequest,
  last: ApplierState,
): Promise<MysqlPosition> {
  const { until } = request;
  const gtid = (await session.rows('SELECT @@GLOBAL.gtid_slave_pos AS gtid'))[0]?.gtid ?? '';
  const reached = formatMariadbGtid(parseMariadbGtid(gtid));
  if (until.gtid === '') {
    const at = `${last.file}:${last.offset}`;
    const wanted = `${servedName(request, until)}:${until.offset}`;
    if (at !== wanted) throw positionMissed(at, wanted);
    return { ...until, gtid: reached };
  }
  // Domains that the point does not name stay where the backup left them.
  const wanted = formatMariadbGtid(
    new Map([...parseMariadbGtid(request.from.gtid), ...parseMariadbGtid(until.gtid)]),
  );
  if (reached !== wanted) throw positionMissed(reached, wanted);
  return { kind: 'mysql', flavour: 'mariadb', gtid: reached };
}

/** As a restore replays on MariaDB. */
export const mariadbReplay: Replay = {
  options: replayOptions,
  account: (name, password) => [`GRANT ALL PRIVILEGES ON *.* TO ${name} IDENTIFIED BY '${password}'`],
  workers: mariadbWorkers,
  fileAt: (place, n, name, until) => archiveFile(place, n, name, until.gtid === '' ? 'kept' : 'counted'),
  run: replayMariadb,
};
