import type { Member } from '../../../contract/records/cluster.ts';
import type { EngineContext, Log } from '../engine.ts';
import { startChannels } from './applier.ts';
import { killBackupSessions } from './backup-locks.ts';
import { type BackupMarker, listMarkers, readMarker, removeMarker, runnerLives } from './backup-marker.ts';
import { type Login, resolveLogin } from './login.ts';
import { withSession } from './session.ts';

/**
 * A tool that died with its runner may have been waiting for a lock; its session goes on to wait, others behind it,
 * and does not notice that its client is gone.
 */
async function endSessions(login: Login, { sessionsAfter }: BackupMarker, log: Log): Promise<void> {
  await withSession(login, AbortSignal.timeout(60_000), (session) =>
    killBackupSessions(session, { user: login.user, after: sessionsAfter }, log),
  );
}

async function undo(marker: BackupMarker, login: Login, stateDirectory: string, log: Log): Promise<void> {
  log('a backup that ended left what it had open on the server', {
    backupId: marker.backupId,
    channels: marker.channels.join(','),
    since: marker.since,
  });
  await endSessions(login, marker, log);
  if (marker.channels.length > 0) await startChannels(login, marker.channels, log);
  await removeMarker(stateDirectory, marker);
}

/**
 * Undoes what a marker of this member names; harmless when there is none, or when it is undone already.
 * @param only `dead`: leave it alone while the runner that wrote it lives, for jobs that do not hold the cluster's lock
 */
export async function sweepMember(
  member: Member,
  context: EngineContext,
  stateDirectory: string,
  only?: 'dead',
): Promise<void> {
  const marker = await readMarker(stateDirectory, member.datadir);
  if (marker === undefined || (only === 'dead' && runnerLives(marker))) return;
  await undo(marker, await resolveLogin(member, context), stateDirectory, context.log);
}

/**
 * Undoes what dead runners left open on any server of this host. What cannot be undone is told and left to the next
 * job; answers how many those were.
 */
export async function sweepHost(context: EngineContext, stateDirectory: string): Promise<number> {
  const dead = (await listMarkers(stateDirectory)).filter((marker) => !runnerLives(marker));
  let left = 0;
  for (const marker of dead) {
    try {
      await undo(marker, await resolveLogin(marker.member, context), stateDirectory, context.log);
    } catch (error) {
      left++;
      context.log('it could not be undone; the next job on this member tries again', {
        backupId: marker.backupId,
        cause: (error as Error).message,
      });
    }
  }
  return left;
}
