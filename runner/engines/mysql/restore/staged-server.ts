import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Account } from '../../../host/accounts.ts';
import type { ChildEnd } from '../../../host/child.ts';
import type { EngineContext } from '../../engine.ts';
import { withoutStatement } from '../replay/applier-error.ts';
import { openSession, type Session } from '../session.ts';

/** Seconds until a prepared server must answer: there is no redo left to apply. */
const startSeconds = 300;
const shutdownSeconds = 600;

/** An account that the server gives itself at its start; its user removes it. */
export type StagedAccount = { user: string; password: string; initFile: string };

/**
 * Makes the directory of a socket that does not fit into one of `known`, for the server's account alone.
 */
export async function makeSocketPlace(
  socket: string,
  known: readonly string[],
  account: Account,
): Promise<void> {
  const place = dirname(socket);
  if (known.includes(place)) return;
  // Explicitly, since the runner's umask takes a new directory from everybody else.
  if ((await mkdir(dirname(place), { recursive: true })) !== undefined) await chmod(dirname(place), 0o755);
  await mkdir(place, { recursive: true, mode: 0o700 });
  await chown(place, account.uid, account.gid);
}

/**
 * Runs the server on the staging directory for `work`, without network and, but where an account is given, without grants
 * (nobody's password is known here), and shuts it down cleanly. The directory is the server account's alone, so nobody else reaches its socket.
 */
export async function withStagedServer<T>(
  options: {
    configFile: string;
    staging: string;
    socket: string;
    user: string;
    /** Name of the time zone that the old server lived in. */
    zone?: string | undefined;
    context: EngineContext;
    /** The server's program. */
    program?: 'mariadbd' | 'mysqld';
    /** With the grant tables of the files; without, events cannot be made. Root must be let in by them. */
    withGrants?: boolean;
    /** More options of the server. */
    args?: string[];
    /** Makes it run with its accounts, on which statements of accounts, grants and events depend. */
    as?: StagedAccount;
    /** Each line of its error log. */
    onLine?: (line: string) => void;
    /** Nothing of it is used once the work is done: it is killed, not shut down. */
    thrownAway?: boolean;
  },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { context, staging, socket, as, program = 'mariadbd', thrownAway = false } = options;
  const stop = new AbortController();
  let ended: ChildEnd | undefined;
  const running = context
    .runChild({
      command: program,
      // Not even its first steps are done as root.
      user: options.user,
      ...(options.zone === undefined ? {} : { zone: options.zone }),
      args: [
        `--defaults-file=${options.configFile}`,
        `--datadir=${staging}`,
        `--socket=${socket}`,
        `--pid-file=${staging}/holdfast-staged.pid`,
        // To stderr, which is read here.
        '--skip-log-error',
        '--skip-networking',
        ...(as !== undefined
          ? [`--init-file=${as.initFile}`]
          : options.withGrants
            ? []
            : ['--skip-grant-tables']),
        ...(options.args ?? []),
      ],
      signal: AbortSignal.any([context.signal, stop.signal]),
      ...(thrownAway ? { graceMs: 0 } : {}),
      onStderrLine: (line) => {
        options.onLine?.(line);
        if (/\[(?:ERROR|Warning)\]/.test(line)) {
          context.log(withoutStatement(line).slice(0, 1000), { from: program });
        }
      },
    })
    .then((end) => {
      ended = end;
      return end;
    });
  running.catch(() => {});

  const login = { user: as?.user ?? 'root', password: as?.password, address: { socket } };
  const failed = (what: string) =>
    new NamedError(
      'Restore.StartFailed',
      `the restored server ${what}: ${ended?.stderrTail.slice(-8).join(' | ') ?? 'no answer'}`,
      { exitCode: ended?.exitCode ?? null },
    );
  const connect = async (): Promise<Session> => {
    const until = performance.now() + startSeconds * 1000;
    while (ended === undefined && performance.now() < until) {
      context.signal.throwIfAborted();
      const session = await openSession(login, context.signal).catch(() => undefined);
      if (session !== undefined) return session;
      await sleep(25);
    }
    context.signal.throwIfAborted();
    throw failed(ended === undefined ? `did not answer within ${startSeconds} s` : 'ended while starting');
  };
  try {
    const session = await connect();
    const answer = await work(session).finally(async () => {
      if (!thrownAway) await session.run('SHUTDOWN').catch(() => {});
      await session.close();
    });
    if (thrownAway) return answer;
    const late = sleep(shutdownSeconds * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
    const end = await Promise.race([running, late]);
    if (end === undefined) throw failed(`did not shut down within ${shutdownSeconds} s`);
    if (end.exitCode !== 0)
      throw failed(`ended with ${end.signal ?? `code ${end.exitCode}`} at its shutdown`);
    return answer;
  } finally {
    stop.abort(new NamedError('Restore.StartFailed', 'the staged server was stopped'));
    await running.catch(() => {});
  }
}
