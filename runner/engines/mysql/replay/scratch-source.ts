import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Account } from '../../../host/accounts.ts';
import type { ChildEnd } from '../../../host/child.ts';
import { freeLoopbackPort } from '../../../host/ports.ts';
import type { EngineContext } from '../../engine.ts';
import { greets } from '../greets.ts';
import { withPlainPath } from '../plain-path.ts';
import { type ReplayPlace, writeForServer } from './place.ts';

/** How the restored server reaches the archived log: one account that may follow and nothing else. */
export type ScratchSource = {
  port: number;
  user: string;
  password: string;
  /** Fires when the source has ended though it should not have. */
  lost: AbortSignal;
};

type Options = {
  place: ReplayPlace;
  /** The archived files in order. */
  files: readonly string[];
  serverId: number;
  user: string;
  account: Account;
  context: EngineContext;
};

/** Nothing but system tables: half a second of work, and as long again on a slow disk. */
const installSeconds = 120;
const startSeconds = 120;
const portAttempts = 3;
const follower = 'holdfast_replay';

/**
 * Runs a server of nothing but system tables that has the archived files as its own binary log, and serves them on
 * loopback under a password that nobody else knows. Without InnoDB: a log that was cut off while its server wrote it
 * would be taken for that of a crash, and InnoDB's recovery refuses a log whose name differs from the one inside.
 */
export async function withScratchSource<T>(
  options: Options,
  work: (source: ScratchSource) => Promise<T>,
): Promise<T> {
  const { place, files, account, context } = options;
  await install(options);
  const index = join(place.logs, 'archive.index');
  const initFile = join(place.directory, 'init.sql');
  const password = randomBytes(24).toString('hex');
  context.hide?.(password);
  const name = `'${follower}'@'127.0.0.1'`;
  const statements = [
    'SET sql_log_bin=0',
    `CREATE USER ${name} IDENTIFIED BY '${password}'`,
    `GRANT REPLICATION SLAVE ON *.* TO ${name}`,
  ];
  await writeForServer(index, files.map((file) => `${file}\n`).join(''), account);
  await writeForServer(initFile, statements.map((statement) => `${statement};\n`).join(''), account);

  for (let attempt = 1; ; attempt++) {
    const port = await freeLoopbackPort();
    const server = runServer(options, { index, initFile, port });
    try {
      const failure = await untilItGreets(server, port, context);
      if (failure === undefined) {
        return await work({ port, user: follower, password, lost: server.lost });
      }
      if (attempt === portAttempts || !/address already in use/i.test(failure)) {
        throw new NamedError('Restore.ReplayFailed', `the server of the archived log ${failure}`, { port });
      }
    } finally {
      await server.stop();
    }
  }
}

async function install({ place, user, context }: Options): Promise<void> {
  const end = await withPlainPath(place.directory, (path) =>
    context.runChild({
      command: 'mariadb-install-db',
      args: [
        '--no-defaults',
        `--user=${user}`,
        `--datadir=${place.scratch.replace(place.directory, path)}`,
        `--tmpdir=${place.temporary.replace(place.directory, path)}`,
        '--auth-root-authentication-method=socket',
        `--auth-root-socket-user=${userInfo().username}`,
        '--skip-test-db',
        '--skip-name-resolve',
        // The script else refuses where neither the host's name nor localhost can be looked up.
        '--force',
        '--skip-innodb',
        '--default-storage-engine=Aria',
      ],
      cwd: place.directory,
      user,
      stallSeconds: installSeconds,
      signal: context.signal,
    }),
  );
  context.signal.throwIfAborted();
  if (end.exitCode === 0) return;
  const said = end.firstCause?.message ?? `${end.stderrTail.slice(-5).join(' | ')} ${end.stdout.slice(-500)}`;
  throw new NamedError('Restore.ReplayFailed', `mariadb-install-db made no scratch server: ${said}`, {
    exitCode: end.exitCode,
  });
}

type RunningServer = { lost: AbortSignal; ended: () => ChildEnd | undefined; stop: () => Promise<void> };

function runServer(
  { place, files, serverId, user, context }: Options,
  { index, initFile, port }: { index: string; initFile: string; port: number },
): RunningServer {
  const stop = new AbortController();
  const lost = new AbortController();
  let ended: ChildEnd | undefined;
  const running = context
    .runChild({
      command: 'mariadbd',
      user,
      args: [
        '--no-defaults',
        `--datadir=${place.scratch}`,
        `--tmpdir=${place.temporary}`,
        `--socket=${join(place.directory, 's')}`,
        `--pid-file=${join(place.directory, 'scratch.pid')}`,
        '--skip-log-error',
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        '--skip-name-resolve',
        `--server-id=${serverId}`,
        `--log-bin=${(files[0] ?? join(place.logs, 'archive')).replace(/\.\d+$/, '')}`,
        `--log-bin-index=${index}`,
        // It would remove at its start what is older, and that is all of it.
        '--expire-logs-days=0',
        '--master-verify-checksum=ON',
        '--skip-innodb',
        '--default-storage-engine=Aria',
        '--aria-pagecache-buffer-size=8M',
        '--key-buffer-size=1M',
        '--max-connections=10',
        '--skip-slave-start',
        '--read-only',
        `--init-file=${initFile}`,
      ],
      cwd: place.directory,
      // Nothing of it is kept.
      graceMs: 0,
      signal: AbortSignal.any([context.signal, stop.signal]),
      onStderrLine: (line) => {
        if (line.includes('[ERROR]'))
          context.log(line.slice(0, 1000), { from: 'server of the archived log' });
      },
    })
    .then((end) => {
      ended = end;
      const said = end.firstCause?.message ?? end.stderrTail.slice(-5).join(' | ');
      lost.abort(new NamedError('Restore.ReplayFailed', `the server of the archived log ended: ${said}`));
    });
  return {
    lost: lost.signal,
    ended: () => ended,
    stop: async () => {
      stop.abort(new NamedError('Restore.ReplayFailed', 'the server of the archived log was stopped'));
      await running;
    },
  };
}

/** Why it does not serve, or undefined once it does. */
async function untilItGreets(
  server: RunningServer,
  port: number,
  { signal }: EngineContext,
): Promise<string | undefined> {
  const until = performance.now() + startSeconds * 1000;
  while (performance.now() < until) {
    signal.throwIfAborted();
    // The init file is read before the first connection is taken.
    if (server.ended() === undefined && (await greets(port))) {
      // Somebody else may have taken the port first: then ours has ended, or ends now.
      await sleep(50);
      if (server.ended() === undefined) return undefined;
    }
    const end = server.ended();
    if (end !== undefined) return `did not start: ${end.stderrTail.slice(-8).join(' | ')}`;
    await sleep(50);
  }
  return `did not answer within ${startSeconds} s`;
}
