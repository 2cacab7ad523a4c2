import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../../contract/records/job.ts';
import { type Account, findAccount } from '../../../../host/accounts.ts';
import type { EngineContext } from '../../../engine.ts';
import { withPlainPath } from '../../plain-path.ts';
import { stagingDirectory, temporaryDirectory } from '../../restore/marker.ts';
import { giveTo } from '../../restore/place.ts';
import { type RestoredServer, restoredServerOf } from '../../restore/restored-server.ts';
import { newServerId, socketPath } from '../../restore/server-config.ts';
import { makeSocketPlace, withStagedServer } from '../../restore/staged-server.ts';
import type { Session } from '../../session.ts';

/** What a restore of the whole and one of tables have in common. */
type Order = Pick<RestoreOrder, 'target' | 'policy'>;

/** Option file of the server while rows go in; it goes with the end of the work. */
export const loadingConfig = (directory: string) => join(directory, 'holdfast-loading.cnf');

const MiB = 1024 * 1024;

/**
 * Options of a server that is filled: what the restored one will have, and no durability until its clean shutdown, which
 * writes and syncs every page. Whoever finds it dead starts over.
 */
export function loadingOptions(bufferPoolBytes: number, program: RestoredServer['program']): string[] {
  return [
    'innodb-flush-log-at-trx-commit=0',
    'innodb-doublewrite=OFF',
    `innodb-buffer-pool-size=${Math.max(64, Math.floor(bufferPoolBytes / MiB))}M`,
    // A row as large as the protocol can carry, with each byte escaped.
    'max-allowed-packet=1G',
    'local-infile=OFF',
    'read-only=OFF',
    ...(program === 'mysqld'
      ? ['super-read-only=OFF', 'secure-file-priv=NULL']
      : ['secure-file-priv=/nonexistent']),
  ];
}

/** How an empty server is made whose root needs no password: nobody reaches it before it has the accounts of the backup. */
const installation = (program: RestoredServer['program'], config: string, staging: string) =>
  program === 'mysqld'
    ? {
        command: 'mysqld',
        args: [
          `--defaults-file=${config}`,
          `--datadir=${staging}`,
          '--skip-log-error',
          '--initialize-insecure',
        ],
      }
    : {
        command: 'mariadb-install-db',
        args: [
          `--defaults-file=${config}`,
          `--datadir=${staging}`,
          '--auth-root-authentication-method=normal',
          '--skip-test-db',
          // Else it refuses where the machine's own name cannot be looked up.
          '--force',
        ],
      };

function accountOf(user: string): Account {
  const account = findAccount(user);
  if (account !== undefined) return account;
  throw new NamedError('Restore.UserUnknown', `there is no account ${user} on this host`, { user });
}

/** Makes an empty server of this host's own programs in the staging directory, as the account that it will run as. */
export async function installServer(order: Order, manifest: Manifest, context: EngineContext): Promise<void> {
  const { directory, user } = order.target;
  const account = accountOf(user);
  const staging = stagingDirectory(directory);
  const temporary = temporaryDirectory(directory);
  await mkdir(temporary, { mode: 0o700 });
  await giveTo(account, temporary);
  await giveTo(account, staging);
  const config = loadingConfig(directory);
  const { program, config: configOf } = restoredServerOf(manifest.flavour);
  const serverId = newServerId(manifest.server.serverId);
  const memory = Math.min(manifest.restore.memoryBytes, (order.policy.memoryMiB * MiB) / 2);
  const written = (at: string) =>
    `${configOf({ ...order.target, directory: at }, manifest, serverId)}${loadingOptions(memory, program).join('\n')}\n`;
  await writeFile(config, written(directory), { mode: 0o644, flag: 'wx' });
  await chmod(config, 0o644);
  context.progress('making an empty server');
  const { command, end } = await withPlainPath(directory, async (path) => {
    const by = path === directory ? config : join(temporaryDirectory(path), 'installing.cnf');
    if (by !== config) {
      await writeFile(by, written(path), { mode: 0o644, flag: 'wx' });
      await chmod(by, 0o644);
    }
    const making = installation(program, by, stagingDirectory(path));
    const end = await context.runChild({
      ...making,
      cwd: staging,
      user,
      stallSeconds: order.policy.stallSeconds,
      signal: context.signal,
    });
    return { command: making.command, end };
  });
  context.signal.throwIfAborted();
  if (end.exitCode === 0 && end.firstCause === undefined) return;
  throw new NamedError(
    'Restore.StartFailed',
    `${command} ended with ${end.signal ?? `code ${end.exitCode}`}: ${[end.stdout, ...end.stderrTail].join(' | ').slice(-2000)}`,
    { exitCode: end.exitCode, signal: end.signal },
  );
}

/** Runs the server that is being filled for `work`, cut off from everybody, and shuts it down cleanly. */
export async function withLoadingServer<T>(
  order: Order,
  manifest: Pick<Manifest, 'flavour' | 'server'>,
  context: EngineContext,
  work: (session: Session, socket: string) => Promise<T>,
): Promise<T> {
  const { directory, port, user } = order.target;
  const account = accountOf(user);
  const staging = stagingDirectory(directory);
  const socket = socketPath({ directory: staging, port }, 'loading.sock');
  await makeSocketPlace(socket, [directory, staging], account);
  return withStagedServer(
    {
      configFile: loadingConfig(directory),
      staging,
      socket,
      user,
      zone: manifest.server.variables.system_zone,
      context,
      program: restoredServerOf(manifest.flavour).program,
      withGrants: true,
    },
    (session) => work(session, socket),
  );
}
