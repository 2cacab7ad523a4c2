import { chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../contract/records/job.ts';
import type { EngineContext, ReplayOutcome } from '../../../runner/engines/engine.ts';
import { type ApplierError, applierErrorIn } from '../../../runner/engines/mysql/replay/applier-error.ts';
import { readLogHeads } from '../../../runner/engines/mysql/replay/log-heads.ts';
import { withReplayPlace } from '../../../runner/engines/mysql/replay/place.ts';
import { ownAccount } from '../../../runner/engines/mysql/replay/prove-and-replay.ts';
import type { ReplayRequest } from '../../../runner/engines/mysql/replay/replay.ts';
import { mariadbReplay } from '../../../runner/engines/mysql/replay/replay-mariadb.ts';
import { mysqlReplay } from '../../../runner/engines/mysql/replay/replay-mysql.ts';
import { stagingDirectory } from '../../../runner/engines/mysql/restore/marker.ts';
import { restoredServerOf } from '../../../runner/engines/mysql/restore/restored-server.ts';
import { socketPath } from '../../../runner/engines/mysql/restore/server-config.ts';
import { setMariadbPosition, setMysqlPosition } from '../../../runner/engines/mysql/restore/set-position.ts';
import { withStagedServer } from '../../../runner/engines/mysql/restore/staged-server.ts';
import type { Row } from '../../../runner/engines/mysql/session.ts';
import { findAccount } from '../../../runner/host/accounts.ts';
import { contextIn } from './mysql-jobs.ts';

const serverId = 4_000_000_001;

/** Files as a server has them. */
export type Stretch = Pick<ReplayRequest, 'files' | 'from' | 'until'> & { repeats?: boolean };

/** A prepared backup on its staged server, on which logs are replayed, one stretch after the other. */
export type ReplayStand = {
  directory: string;
  /** The log of the job. */
  lines: string[];
  rows: (sql: string) => Promise<Row[]>;
  replay: (request: Stretch, workers?: number, as?: number) => Promise<ReplayOutcome>;
  close: () => Promise<void>;
};

/** @param changes of the job's context: whose programs run */
export async function standOn(
  order: RestoreOrder,
  manifest: Manifest,
  work: string,
  changes: Partial<EngineContext> = {},
): Promise<ReplayStand> {
  const { directory, user } = order.target;
  const account = findAccount(user)!;
  const lines: string[] = [];
  // The server is told to end by the job's own end: a session that a test has lost could not shut it down.
  const end = new AbortController();
  const context = contextIn(work, { ...changes, signal: end.signal }, lines);
  const { program, config } = restoredServerOf(manifest.flavour);
  const mariadb = program === 'mariadbd';
  const replays = mariadb ? mariadbReplay : mysqlReplay;
  const configFile = join(directory, 'my.cnf');
  writeFileSync(configFile, config(order.target, manifest, serverId), { mode: 0o644 });
  const staging = stagingDirectory(directory);
  const errors: ApplierError[] = [];
  const opened = Promise.withResolvers<Omit<ReplayStand, 'close'>>();
  const closing = Promise.withResolvers<void>();
  let stretch = 0;

  const running = withReplayPlace(directory, account, async (own) =>
    withStagedServer(
      {
        as: await ownAccount(own, account, context, replays.account),
        program,
        configFile,
        staging,
        socket: socketPath({ directory: staging, port: order.target.port }, 'staged.sock'),
        user,
        context,
        args: replays.options(own, 256, 4),
        onLine: (line) => {
          const error = applierErrorIn(line);
          if (error !== undefined) errors.push(error);
        },
      },
      async (session) => {
        // What the backup of a replica knows of its source, as a restore's proof does.
        await session.run(session.words.channels.reset).catch(() => {});
        if (mariadb) await setMariadbPosition(session, manifest);
        else await setMysqlPosition(session, manifest, staging, context.log);
        const replay: ReplayStand['replay'] = (request, workers = 0, as = serverId) => {
          const served = join(directory, `stretch-${stretch++}`);
          mkdirSync(served, { mode: 0o755 });
          return withReplayPlace(served, account, async (each) => {
            // Relay logs lie where the running server has them.
            const place = mariadb ? each : own;
            const files = request.files.map(({ name, path }, i) => {
              const copy = replays.fileAt(place, i + 1, name, request.until);
              copyFileSync(path, copy);
              chownSync(copy, account.uid, account.gid);
              return { name, path: copy };
            });
            const on = { session, serverId: as, errors, user, account, place, workers, stallSeconds: 60 };
            const heads = await Promise.all(files.map(({ path }) => readLogHeads(path)));
            const serverIds = new Set(heads.flatMap((head) => [...head.serverIds]));
            return replays.run({ repeats: false, ...request, files, serverIds }, on, context);
          });
        };
        opened.resolve({ directory, lines, rows: (sql) => session.rows(sql), replay });
        await closing.promise;
      },
    ),
  );
  running.catch(opened.reject);
  const stand = await opened.promise;
  return {
    ...stand,
    close: async () => {
      end.abort(new Error('the stand is closed'));
      closing.resolve();
      await running.catch(() => {});
    },
  };
}
