import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { findAccount } from '../../../host/accounts.ts';
import type { StartServer } from '../../../host/start-server.ts';
import { compareFingerprints } from '../../compare-fingerprints.ts';
import type { EngineContext, RestoredInstance } from '../../engine.ts';
import { openFingerprint } from '../fingerprint/take.ts';
import { sortedGtids } from '../position.ts';
import type { Session } from '../session.ts';
import { stagingDirectory, writeRestoreMarker } from './marker.ts';
import { giveTo, placeFiles } from './place.ts';
import { removeReplicationLeftovers } from './replication-leftovers.ts';
import { newServerId, serverConfig, socketPath } from './server-config.ts';
import { withStagedServer } from './staged-server.ts';
import { checkTables } from './table-check.ts';

const answerSeconds = 120;

/** Whether a server of this protocol greets on a loopback port: its first packet begins with protocol version 10. */
async function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('data', (bytes) => done(bytes.length > 5 && bytes[4] === 10));
  });
}

async function prove(session: Session, manifest: Manifest, context: EngineContext): Promise<Fingerprint> {
  // What replication it had lies in files that are gone; this clears what the server may still know of it.
  await session.run('RESET SLAVE ALL').catch((error: Error) => {
    context.log('nothing of replication to reset', { cause: error.message });
  });
  context.progress('opening every table');
  await checkTables(session, manifest.fingerprint.coverage === 'full', context.log, (done, of) =>
    context.progress(`opening tables: ${done} of ${of}`),
  );
  const applied = manifest.server.role === 'replica';
  const [row] = await session.rows('SELECT @@GLOBAL.gtid_slave_pos AS gtid');
  const gtid = sortedGtids(row?.gtid ?? '');
  if (applied && manifest.comparison === 'exact' && gtid !== manifest.position?.gtid) {
    throw new NamedError(
      'Restore.FingerprintDiffers',
      `the restored data stands at ${gtid || 'no position'}, the backup was recorded at ${manifest.position?.gtid}`,
      { found: gtid, expected: manifest.position?.gtid ?? '' },
    );
  }
  context.progress('comparing');
  const open = await openFingerprint(session, { applied, like: manifest.fingerprint, holdTables: false });
  const found = await open.finish((done, of) => context.progress(`comparing tables: ${done} of ${of}`));
  const reasons = compareFingerprints(manifest, found).differences;
  if (reasons.length > 0) {
    throw new NamedError('Restore.FingerprintDiffers', reasons.slice(0, 20).join('; ').slice(0, 3500), {
      differences: reasons.length,
    });
  }
  return { ...found, position: manifest.position };
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
  const socket = socketPath(target, 'mariadb.sock');
  // The account reads it and cannot change it: file and directory stay the runner's until all is placed.
  await writeFile(configFile, serverConfig(target, manifest, serverId), { mode: 0o644, flag: 'wx' });
  const removed = await removeReplicationLeftovers(staging);
  if (removed.length > 0) context.log('replication settings removed', { files: removed.join(', ') });
  await giveTo(account, staging);
  const stagedSocket = socketPath({ directory: staging, port }, 'staged.sock');
  for (const place of new Set([dirname(socket), dirname(stagedSocket)])) {
    if (place === directory || place === staging) continue;
    await mkdir(dirname(place), { recursive: true, mode: 0o755 });
    await mkdir(place, { recursive: true, mode: 0o700 });
    await chown(place, account.uid, account.gid);
  }

  context.progress('starting the staged server');
  const fingerprint = await withStagedServer(
    { configFile, staging, socket: stagedSocket, user, context },
    (session) => prove(session, manifest, context),
  );
  await writeRestoreMarker(directory, { ...who, state: 'placing' });
  await placeFiles(staging, directory);
  await writeRestoreMarker(directory, { ...who, state: 'placed' });
  // Sticky, and still the runner's: the server makes files here and cannot replace the option file it is started with.
  await chmod(directory, 0o1775);

  context.progress('starting the restored server');
  const server = await startServer({
    unit: `holdfast-restored-${port}`,
    command: 'mariadbd',
    args: [`--defaults-file=${configFile}`],
    cwd: directory,
    user,
  });
  const until = performance.now() + answerSeconds * 1000;
  while (!(await greets(port))) {
    if (!server.alive() || performance.now() > until) {
      throw new NamedError(
        'Restore.StartFailed',
        `the restored server does not answer on 127.0.0.1:${port}; see ${join(directory, 'mariadb.err')}`,
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
    position: manifest.position,
    fingerprint,
    howToReach: `mariadb --socket=${socket} (accounts are those of the backup); stop: ${server.howToStop}; start: mariadbd --defaults-file=${configFile}`,
  };
}
