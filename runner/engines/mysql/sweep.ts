import type { Member } from '../../../contract/records/cluster.ts';
import type { EngineContext } from '../engine.ts';
import { startChannels } from './applier.ts';
import {
  aloneOnServer,
  type FoundMarker,
  listMarkers,
  readMarker,
  removeMarker,
  runnerLives,
  sweepServerLocks,
} from './applier-marker.ts';
import { resolveLogin } from './login.ts';
import { sweepPlainPaths } from './plain-path.ts';

/** Undoes a marker unless somebody else has done so meanwhile; what a later backup stopped is left to it. */
const undo = (
  { backupId, stoppedAt, channels }: FoundMarker,
  member: Member,
  context: EngineContext,
  stateDirectory: string,
): Promise<void> =>
  aloneOnServer(
    stateDirectory,
    member.datadir,
    async () => {
      if ((await readMarker(stateDirectory, member.datadir))?.backupId !== backupId) return;
      context.log('a backup that ended left the applier stopped', { backupId, stoppedAt });
      await startChannels(await resolveLogin(member, context), channels, context.log);
      await removeMarker(stateDirectory, { member, backupId });
    },
    context.signal,
  );

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
  await undo(marker, member, context, stateDirectory);
}

/**
 * Starts what dead runners left stopped on any server of this host. Of the locks of their tools nothing is left: the
 * kernel kills a tool with its runner, and the server ends a session within a second of its client, also one that waits
 * for a lock. What does not start is told and left to the next job; answers how many those were.
 */
export async function sweepHost(context: EngineContext, stateDirectory: string): Promise<number> {
  sweepServerLocks(stateDirectory);
  sweepPlainPaths();
  let left = 0;
  for (const marker of await listMarkers(stateDirectory)) {
    if (!(marker instanceof Error) && runnerLives(marker)) continue;
    try {
      if (marker instanceof Error) throw marker;
      if (marker.member === undefined) throw new Error('another release wrote its marker');
      await undo(marker, marker.member, context, stateDirectory);
    } catch (error) {
      left++;
      context.log('the applier could not be started; the next job on this member tries again', {
        backupId: marker instanceof Error ? '' : marker.backupId,
        cause: (error as Error).message,
      });
    }
  }
  return left;
}
