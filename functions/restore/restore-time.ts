import type { BackupRecord } from '../../contract/records/backup.ts';
import { chainOf } from '../catalog/chain.ts';

/** Bytes of stream per second: a quarter of what two idle cores restore (450 MiB/s), for disks that do less. */
const bytesPerSecond = 112 * 1024 ** 2;
/** Seconds to start the server, open its tables and compare them. */
const startSeconds = 60;
/** Seconds for one more incremental: its objects are opened, and every file of the base is opened once. */
const linkSeconds = 15;

/** How far a cluster's measured restore may move the prediction: one bad night says little about the next. */
const [least, most] = [0.2, 5];

type Sized = Pick<BackupRecord, 'bytes'>;

const modelled = (links: readonly Sized[]) =>
  startSeconds +
  linkSeconds * (links.length - 1) +
  links.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) / bytesPerSecond;

/**
 * Seconds that a restore of these backups, base first, is predicted to take: by their bytes, scaled by what the
 * cluster's newest proven restore took against the same reckoning.
 * @param history all recorded backups of the cluster, latest first
 */
export function predictedRestoreSeconds(links: readonly Sized[], history: readonly BackupRecord[]): number {
  const measured = history.find(({ restoreSeconds }) => restoreSeconds !== undefined);
  const chain = measured && chainOf(measured, history);
  const factor =
    measured?.restoreSeconds !== undefined && chain?.outcome === 'whole'
      ? Math.min(most, Math.max(least, measured.restoreSeconds / modelled(chain.links)))
      : 1;
  return Math.ceil(modelled(links) * factor);
}

/** Bytes of log per second that a restored server applies: small transactions on two cores, none of them durable. */
const replayBytesPerSecond = 6 * 1024 ** 2;

/** Seconds that the replay of so much log is predicted to take, its fetching included. */
export const replaySeconds = (bytes: number): number =>
  bytes === 0 ? 0 : 5 + Math.ceil(bytes / replayBytesPerSecond);
