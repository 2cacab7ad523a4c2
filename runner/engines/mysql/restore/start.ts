import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { findAccount } from '../../../host/accounts.ts';
import type { StartServer } from '../../../host/start-server.ts';
import { compareFingerprints } from '../../compare-fingerprints.ts';
import type { ArchivedLog, EngineContext, RestoredInstance } from '../../engine.ts';
import { openFingerprint } from '../fingerprint/take.ts';
import { greets } from '../greets.ts';
import { proveAndReplay } from '../replay/prove-and-replay.ts';
import type { Session } from '../session.ts';
import { stagingDirectory, writeRestoreMarker } from './marker.ts';
import { placeFiles } from './place.ts';
import { removeReplicationLeftovers } from './replication-leftovers.ts';
import { restoredServerOf } from './restored-server.ts';
import { newServerId, socketPath } from './server-config.ts';
import { carriedLogs, setMariadbPosition, setMysqlPosition } from './set-position.ts';
import { makeSocketPlace, withStagedServer } from './staged-server.ts';
import { checkTables, tablesWithoutFile } from './table-check.ts';

const answerSeconds = 120;

/** A word as an operator types it into a shell. */
const asTyped = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

async function prove(
  session: Session,
  staging: string,
  manifest: Manifest,
  context: EngineContext,
): Promise<Fingerprint> {
  // What replication it had lies in files that are gone; this clears what the server may still know of it.
  await session.run(session.words.channels.reset).catch((error: Error) => {
    context.log('nothing of replication to reset', { cause: error.message });
  });
  context.progress('opening every table');
  const missing = await tablesWithoutFile(session, staging);
  if (missing.length > 0) {
    throw new NamedError(
      'Restore.TableUnreadable',
      `InnoDB knows tables that have no file: ${missing.slice(0, 20).join('; ')}`.slice(0, 3500),
      { tables: missing.length },
    );
  }
  await checkTables(session, manifest.fingerprint.coverage === 'full', context.log, (done, of) =>
    context.progress(`opening tables: ${done} of ${of}`),
  );
  const applied = manifest.server.role === 'replica';
  const { family } = session.words;
  const position =
    family === 'mysql' ? await setMysqlPosition(session, manifest, staging, context.log) : manifest.position;
  if (family === 'mariadb') await setMariadbPosition(session, manifest);
  context.progress('comparing');
  const open = await openFingerprint(session, { applied, like: manifest.fingerprint, holdTables: false });
  const found = await open.finish((done, of) => context.progress(`comparing tables: ${done} of ${of}`));
  const reasons = compareFingerprints(manifest, found).differences;
  if (reasons.length > 0) {
    throw new NamedError('Restore.FingerprintDiffers', reasons.slice(0, 20).join('; ').slice(0, 3500), {
      differences: reasons.length,
    });
  }
  return { ...found, position };
}

/**
 * Proves the prepared files on a server that nobody reaches, moves them into place with what makes them startable
 * last, and starts the new instance: a server id of its own, loopback only, read-only, without replication and events.
 */
export async function start(
  order: RestoreOrder,
  manifest: Manifest,
  context: EngineContext,
  startServer: StartServer,
  log?: ArchivedLog,
): Promise<RestoredInstance> {
  const { target } = order;
  const { directory, port, user } = target;
  const staging = stagingDirectory(directory);
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  const account = findAccount(user);
  if (account === undefined) {
    throw new NamedError('Restore.StartFailed', `there is no account ${user} on this host`, { user });
  }
  const serverId = newServerId(manifest.server.serverId);
  const configFile = join(directory, 'my.cnf');
  const server = restoredServerOf(manifest.flavour);
  const socket = socketPath(target, `${server.name}.sock`);
  // The account reads it and cannot change it: file and directory stay the runner's until all is placed.
  await writeFile(configFile, server.config(target, manifest, serverId), { mode: 0o644, flag: 'wx' });
  // The runner's umask takes it from others, and the server reads it under its own account.
  await chmod(configFile, 0o644);
  const removed = await removeReplicationLeftovers(staging);
  if (removed.length > 0) context.log('replication settings removed', { files: removed.join(', ') });
  const stagedSocket = socketPath({ directory: staging, port }, 'staged.sock');
  for (const path of [socket, stagedSocket]) await makeSocketPlace(path, [directory, staging], account);

  context.progress('starting the staged server');
  const { program } = server;
  const { system_zone: zone, system_time_zone: letters = 'UTC' } = manifest.server.variables;
  if (zone === undefined && !/^(?:UTC|GMT)$/.test(letters)) {
    context.log('the old server lived in a time zone whose name is not recorded; here it is UTC', {
      letters,
    });
  }
  const staged = { configFile, staging, socket: stagedSocket, user, zone, context, program };
  const proof = (session: Session) => prove(session, staging, manifest, context);
  const { proven, replay } =
    log === undefined
      ? { proven: await withStagedServer(staged, proof), replay: undefined }
      : await proveAndReplay(order, { ...staged, account, serverId }, log, context, proof);
  await removeReplicationLeftovers(staging);
  if (server.name === 'mysql') {
    // The old server's log would be gone on with, as soon as somebody lets this one write a log.
    for (const name of await carriedLogs(staging, manifest)) await rm(join(staging, name), { force: true });
  }
  await writeRestoreMarker(directory, { ...who, state: 'placing' });
  await placeFiles(staging, directory);
  await writeRestoreMarker(directory, { ...who, state: 'placed' });
  // Sticky, and still the runner's: the server makes files here and cannot replace the option file it is started with.
  await chmod(directory, 0o1775);

  context.progress('starting the restored server');
  const started = await startServer({
    unit: `holdfast-restored-${port}`,
    command: program,
    args: [`--defaults-file=${configFile}`],
    cwd: directory,
    user,
    ...(zone === undefined ? {} : { zone }),
  });
  const until = performance.now() + answerSeconds * 1000;
  while (!(await greets(port))) {
    if (!started.alive() || performance.now() > until) {
      throw new NamedError(
        'Restore.StartFailed',
        `the restored server does not answer on 127.0.0.1:${port}; see ${join(directory, `${server.name}.err`)}`,
        { port, directory },
      );
    }
    await sleep(100);
  }
  await writeRestoreMarker(directory, { ...who, state: 'started' });
  return {
    socket,
    port,
    serverId,
    position: replay?.reached ?? proven.position,
    fingerprint: proven,
    howToReach: `${server.client} --socket=${asTyped(socket)} (accounts are those of the backup); stop: ${started.howToStop}; start: ${zone === undefined ? '' : `env TZ=${zone} `}${program} --defaults-file=${asTyped(configFile)}`,
    ...(replay === undefined ? {} : { replay }),
  };
}
