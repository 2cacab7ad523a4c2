import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import type { Log } from '../engine.ts';
import { readMarker, removeMarker, runnerLives, thisRunner, writeMarker } from './applier-marker.ts';
import { readChannels } from './channels.ts';
import type { Login } from './login.ts';
import { openSession, type Session } from './session.ts';

/** Seconds that stopping may take: the applier ends the transaction it is in, and a large one takes its time. */
const stopSeconds = 600;
const startAttempts = 10;

const quoteText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

export type StoppedApplier = {
  channels: readonly string[];
  /** Starts the channels again. Once they run it does nothing; it does not heed a cancel. */
  start: () => Promise<void>;
  /** Seconds for which they stood, so far. */
  seconds: () => number;
};

/** Starts channels and looks whether they run; retried, with a new session each time. */
async function startChannels(login: Login, channels: readonly string[], log: Log): Promise<void> {
  let last = '';
  for (let attempt = 1; attempt <= startAttempts; attempt++) {
    try {
      const session = await openSession(login, AbortSignal.timeout(60_000));
      try {
        const known = (await readChannels(session)).filter((c) => channels.includes(c.name));
        // A member that was promoted meanwhile has them no more, and nobody wants them back.
        for (const gone of channels.filter((name) => !known.some((c) => c.name === name))) {
          log('a replication channel is there no more; it is not started', { channel: gone });
        }
        for (const { name } of known.filter((c) => !c.applying)) {
          await session.run(`START SLAVE ${quoteText(name)} SQL_THREAD`);
        }
        const still = (await readChannels(session)).filter((c) => channels.includes(c.name) && !c.applying);
        if (still.length === 0) return;
        last = still.map((c) => `'${c.name}' ${c.error || 'does not run'}`).join('; ');
      } finally {
        await session.close();
      }
    } catch (error) {
      last = (error as Error).message;
    }
    log('the applier does not run yet', { attempt, cause: last });
    await sleep(Math.min(200 * 2 ** attempt, 5000));
  }
  throw new NamedError(
    'Backup.ApplierNotRestarted',
    `START SLAVE SQL_THREAD was tried ${startAttempts} times: ${last}; start it by hand`,
    { channels: channels.join(','), attempts: startAttempts },
  );
}

/**
 * Stops the applier of every running channel, so that the member stands at one position. A marker is written first:
 * a runner that dies leaves it to `sweepApplier`, which its successor calls (M11).
 */
export async function stopApplier(
  order: Pick<BackupOrder, 'clusterId' | 'backupId' | 'member'>,
  session: Session,
  login: Login,
  stateDirectory: string,
  log: Log,
): Promise<StoppedApplier> {
  const { datadir, memberId } = order.member;
  const channels = (await readChannels(session)).filter((c) => c.applying).map((c) => c.name);
  const since = performance.now();
  let stood: number | undefined;
  const start = async () => {
    if (stood !== undefined || channels.length === 0) return;
    await startChannels(login, channels, log);
    stood = (performance.now() - since) / 1000;
    await removeMarker(stateDirectory, datadir);
    log('applier started again', { seconds: stood });
  };
  if (channels.length > 0) {
    await writeMarker(stateDirectory, datadir, {
      v: 1,
      clusterId: order.clusterId,
      memberId,
      runner: thisRunner(),
      backupId: order.backupId,
      channels,
      stoppedAt: new Date().toISOString(),
    });
    try {
      for (const name of channels) {
        await session.run(`STOP SLAVE ${quoteText(name)} SQL_THREAD`, [], stopSeconds);
      }
    } catch (error) {
      await start();
      throw error;
    }
    log('applier stopped', { channels: channels.join(',') });
  }
  return {
    channels,
    start,
    seconds: () => stood ?? (channels.length > 0 ? (performance.now() - since) / 1000 : 0),
  };
}

/**
 * Starts what a marker of this member names; harmless when there is none, or when they run already.
 * @param only `dead`: leave it alone while the runner that wrote it lives, for jobs that do not hold the cluster's lock
 */
export async function sweepApplier(
  member: BackupOrder['member'],
  login: () => Promise<Login>,
  stateDirectory: string,
  log: Log,
  only?: 'dead',
): Promise<void> {
  const marker = await readMarker(stateDirectory, member.datadir);
  if (marker === undefined || (only === 'dead' && runnerLives(marker))) return;
  log('a backup that ended left the applier stopped', {
    backupId: marker.backupId,
    stoppedAt: marker.stoppedAt,
  });
  await startChannels(await login(), marker.channels, log);
  await removeMarker(stateDirectory, member.datadir);
}
