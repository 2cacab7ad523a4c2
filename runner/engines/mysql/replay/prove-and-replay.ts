import { randomBytes } from 'node:crypto';
import { chown } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import type { Account } from '../../../host/accounts.ts';
import type { ArchivedLog, EngineContext, ReplayOutcome } from '../../engine.ts';
import { type StagedAccount, withStagedServer } from '../restore/staged-server.ts';
import type { Session } from '../session.ts';
import { type ApplierError, applierErrorIn } from './applier-error.ts';
import { assembleLog } from './assemble.ts';
import { type ReplayPlace, withReplayPlace, writeForServer } from './place.ts';
import type { Replay } from './replay.ts';
import { mariadbReplay } from './replay-mariadb.ts';
import { mysqlReplay } from './replay-mysql.ts';

type Staged = {
  configFile: string;
  staging: string;
  socket: string;
  user: string;
  account: Account;
  serverId: number;
  program?: 'mariadbd' | 'mysqld';
  zone?: string | undefined;
};

const nameOf = ({ user }: Pick<StagedAccount, 'user'>) => `'${user}'@'localhost'`;

/** An account under which the staged server is worked on while it has its own; of a name that no log creates. */
export async function ownAccount(
  place: ReplayPlace,
  account: Account,
  context: EngineContext,
  statements: Replay['account'],
): Promise<StagedAccount> {
  const own = {
    user: `holdfast-${randomBytes(8).toString('hex')}`,
    // With what a server may demand of passwords.
    password: `${randomBytes(24).toString('hex')}-Aa1`,
    initFile: join(place.directory, 'staged.sql'),
  };
  context.hide?.(own.password);
  const made = statements(nameOf(own), own.password);
  await writeForServer(own.initFile, made.map((statement) => `${statement};\n`).join(''), account);
  return own;
}

type Order = Pick<RestoreOrder, 'target' | 'policy'>;

/** A log that lies ready: how the server is run that replays it, and the replay. */
export type ReadyLog = {
  server: { args: string[]; onLine: (line: string) => void; as: StagedAccount };
  replay: (session: Session) => Promise<ReplayOutcome>;
};

/**
 * Fetches an archived log and puts it together, for as long as `work` takes.
 * @param options of the server while it replays
 */
export async function withReadyLog<T>(
  order: Order,
  staged: Staged,
  log: ArchivedLog,
  context: EngineContext,
  options: readonly string[],
  work: (ready: ReadyLog) => Promise<T>,
): Promise<T> {
  const { account, user, serverId } = staged;
  const { from, until } = log;
  const { memoryMiB, stallSeconds } = order.policy;
  const replays = until.flavour === 'mariadb' ? mariadbReplay : mysqlReplay;
  const workers = replays.workers(availableParallelism());
  return withReplayPlace(order.target.directory, account, async (place) => {
    context.progress('fetching the log');
    const segments = await log.fetch(place.segments);
    context.progress('putting the log together');
    const pathOf = (n: number, name: string) => replays.fileAt(place, n, name, until);
    const assembled = await assembleLog(segments, until, pathOf);
    for (const { path } of assembled.files) await chown(path, account.uid, account.gid);
    const errors: ApplierError[] = [];
    const onLine = (line: string) => {
      const error = applierErrorIn(line);
      if (error !== undefined) errors.push(error);
    };
    const args = [...replays.options(place, memoryMiB, workers), ...options];
    const as = await ownAccount(place, account, context, replays.account);
    const replay = async (session: Session) => {
      context.progress('replaying');
      const target = { session, serverId, errors, user, account, place, workers, stallSeconds };
      const outcome = await replays.run({ ...assembled, from, until }, target, context);
      context.log('replayed', { to: outcome.reached.gtid, seconds: outcome.seconds });
      return outcome;
    };
    return work({ server: { args, onLine, as }, replay });
  });
}

/**
 * Fetches the archived log first, since its damage should be known before an hour of comparing; then proves the
 * backup's data on the staged server as it was stored, and replays the log on it, without durability until its clean
 * shutdown.
 * @param options of the server while it replays
 */
export async function proveAndReplay<T>(
  order: Order,
  staged: Staged,
  log: ArchivedLog,
  context: EngineContext,
  prove: (session: Session) => Promise<T>,
  options: readonly string[] = [],
): Promise<{ proven: T; replay: ReplayOutcome }> {
  return withReadyLog(order, staged, log, context, options, async ({ server, replay }) => {
    const proven = await withStagedServer({ ...staged, context }, prove);
    return withStagedServer({ ...staged, context, ...server }, async (session) => {
      const outcome = await replay(session);
      await session.run(`DROP USER IF EXISTS ${nameOf(server.as)}`);
      return { proven, replay: outcome };
    });
  });
}
