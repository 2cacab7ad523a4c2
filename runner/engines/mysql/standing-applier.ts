import type { BackupOrder } from '../../../contract/records/job.ts';
import type { EngineContext } from '../engine.ts';
import { applyingChannels, makeApplier } from './applier.ts';
import { aloneOnServer, readMarker, removeMarker, thisRunner, writeMarker } from './applier-marker.ts';
import type { Login } from './login.ts';
import type { Session } from './session.ts';

export type StandingApplier = {
  /** Starts it again; does nothing where it was not stopped or runs already. Heeds no cancel. */
  start: () => Promise<void>;
  /** Seconds for which it stood, so far. */
  seconds: () => number;
};

/**
 * Stops the applier of a replica for a backup, after a note of it was put on disk for whoever comes after a dead runner
 * (M11). A member that applies nothing is left as it is.
 */
export async function stopForBackup(
  order: BackupOrder,
  session: Session,
  login: Login,
  stateDirectory: string,
  context: EngineContext,
): Promise<StandingApplier> {
  const { member, clusterId, backupId } = order;
  const channels = await applyingChannels(session);
  if (channels.length === 0) return { start: async () => {}, seconds: () => 0 };
  context.progress('stopping the applier');
  const applier = makeApplier(channels, login, context.log);
  const stoppedAt = new Date().toISOString();
  await writeMarker(
    stateDirectory,
    { v: 1, clusterId, backupId, member, channels, stoppedAt, runner: thisRunner() },
    context.signal,
  );
  const start = () =>
    aloneOnServer(stateDirectory, member.datadir, async () => {
      const found = await readMarker(stateDirectory, member.datadir);
      // A runner that was given up for lost may still be here when the next backup has stopped the applier for itself.
      if (found !== undefined && found.backupId !== backupId) return;
      await applier.start();
      await removeMarker(stateDirectory, order);
    });
  try {
    await applier.stop(session);
  } catch (error) {
    await start().catch((cause: Error) => {
      context.log('the applier is not started', { cause: cause.message });
      if (error instanceof Error) error.message += `; and ${cause.message}`;
    });
    throw error;
  }
  return { start, seconds: applier.seconds };
}
