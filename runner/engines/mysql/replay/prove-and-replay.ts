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

/**
 * Fetches the archived log first, since its damage should be known before an hour of comparing; then proves the
 * backup's data on the staged server as it was stored, and replays the log on it, without durability until its clean
 * shutdown.
 * @param options of the server while it replays
 */
export async function proveAndReplay<T>(
  order: Pick<RestoreOrder, 'target' | 'policy'>,
  staged: Staged,
  log: ArchivedLog,
  context: EngineContext,
  prove: (session: Session) => Promise<T>,
  options: readonly string[] = [],
): Promise<{ proven: T; replay: ReplayOutcome }> {
  const { account, user, serverId } = staged;
  const { from, until } = log;
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
    const args = [...replays.options(place, order.policy.memoryMiB, workers), ...options];
    const proven = await withStagedServer({ ...staged, context }, prove);
    context.progress('replaying');
    const own = await ownAccount(place, account, context, replays.account);
    const server = { ...staged, context, args, onLine, as: own };
    return withStagedServer(server, async (session) => {
      const replay = await replays.run(
        { ...assembled, from, until },
        {
          session,
          serverId,
          errors,
          user,
          account,
          place,
          workers,
          stallSeconds: order.policy.stallSeconds,
        },
        context,
      );
      await session.run(`DROP USER IF EXISTS ${nameOf(own)}`);
      context.log('replayed', { to: replay.reached.gtid, seconds: replay.seconds });
      return { proven, replay };
    });
  });
}
