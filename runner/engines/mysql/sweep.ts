import type { Member } from '../../../contract/records/cluster.ts';
import type { EngineContext, Log } from '../engine.ts';
import { startChannels } from './applier.ts';
import { type ApplierMarker, listMarkers, readMarker, removeMarker, runnerLives } from './applier-marker.ts';
import { type Login, resolveLogin } from './login.ts';

async function undo(marker: ApplierMarker, login: Login, stateDirectory: string, log: Log): Promise<void> {
  log('a backup that ended left the applier stopped', {
    backupId: marker.backupId,
    stoppedAt: marker.stoppedAt,
  });
  await startChannels(login, marker.channels, log);
  await removeMarker(stateDirectory, marker);
}

/**
 * Starts the applier that a marker of this member names; harmless when there is none, or when it runs already.
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
 * Starts what dead runners left stopped on any server of this host. Of the locks of their tools nothing is left: the
 * kernel kills a tool with its runner, and the server ends a session within a second of its client, also one that waits
 * for a lock. What does not start is told and left to the next job; answers how many those were.
 */
export async function sweepHost(context: EngineContext, stateDirectory: string): Promise<number> {
  const dead = (await listMarkers(stateDirectory)).filter((marker) => !runnerLives(marker));
  let left = 0;
  for (const marker of dead) {
    try {
      await undo(marker, await resolveLogin(marker.member, context), stateDirectory, context.log);
    } catch (error) {
      left++;
      context.log('the applier could not be started; the next job on this member tries again', {
        backupId: marker.backupId,
        cause: (error as Error).message,
      });
    }
  }
  return left;
}
