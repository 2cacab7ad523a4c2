import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { NamedError } from '../../../contract/errors/named-error.ts';
import { type Member, memberSchema } from '../../../contract/records/cluster.ts';
import { sweepLockFiles, takeLockFile } from '../../host/lock-file.ts';
import { processRuns, readProcess } from '../../host/process-group.ts';

/** Which appliers a backup has stopped, on a disk that outlives the runner (M11): enough for another process to undo it. */
const markerSchema = z.object({
  v: z.literal(1),
  clusterId: z.string(),
  backupId: z.string(),
  /**
   * Where the server is and who may log in; of secrets only their names. Undefined where another release wrote it in
   * another way: a job that brings its own member undoes the marker all the same.
   */
  member: memberSchema.optional().catch(undefined),
  channels: z.array(z.string()).min(1),
  stoppedAt: z.string(),
  /** The process that will start them again; its start time tells it from a later one with its number. */
  runner: z.object({ pid: z.int(), startTime: z.string() }),
});

export type FoundMarker = z.infer<typeof markerSchema>;
export type ApplierMarker = FoundMarker & { member: Member };

const directoryOf = (stateDirectory: string) => join(stateDirectory, 'applier');

/** A server is known by its data directory: jobs that know no cluster must find its marker too. */
const nameOf = (datadir: string) => createHash('sha256').update(datadir).digest('hex').slice(0, 32);

const pathOf = (stateDirectory: string, datadir: string) =>
  join(directoryOf(stateDirectory), `${nameOf(datadir)}.json`);

async function takeServer(stateDirectory: string, datadir: string, signal: AbortSignal | undefined) {
  const directory = directoryOf(stateDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (;;) {
    const lock = takeLockFile(directory, nameOf(datadir));
    if (lock !== undefined) return lock;
    await sleep(100, undefined, { signal });
  }
}

/**
 * Runs `use` alone among the processes that stop or start the applier of this server, so that a late sweep does not
 * start what the next backup has just stopped. A lock of a process that died holds nobody, and where the disk takes
 * none (it is full) there is none: an applier that stays stopped would be worse.
 */
export async function aloneOnServer<T>(
  stateDirectory: string,
  datadir: string,
  use: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const lock = await takeServer(stateDirectory, datadir, signal).catch(() => undefined);
  signal?.throwIfAborted();
  try {
    return await use();
  } finally {
    lock?.release();
  }
}

/** This process, as markers name it. */
export const thisRunner = () => ({
  pid: process.pid,
  startTime: readProcess(process.pid)?.startTime ?? '',
});

/** Whether the process that wrote the marker still runs. */
export const runnerLives = ({ runner }: Pick<ApplierMarker, 'runner'>): boolean =>
  processRuns(runner.pid, runner.startTime);

async function syncDirectory(path: string) {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

/** Writes the marker of its member, durably, before the first applier is stopped, and while nobody starts one. */
export function writeMarker(
  stateDirectory: string,
  marker: ApplierMarker,
  signal?: AbortSignal,
): Promise<void> {
  const { datadir } = marker.member;
  const path = pathOf(stateDirectory, datadir);
  const write = async () => {
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(marker));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncDirectory(directoryOf(stateDirectory));
  };
  return aloneOnServer(stateDirectory, datadir, write, signal);
}

const ifThere = async <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

const read = async (path: string): Promise<FoundMarker | undefined> => {
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return markerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new NamedError(
      'Backup.ApplierNotRestarted',
      `${path} says that a backup stopped the applier, but cannot be read: ${(cause as Error).message}; see that the applier runs, then remove the file`,
      { file: path },
      { cause },
    );
  }
};

/** The marker of a server, undefined where no backup has left one. Backup.ApplierNotRestarted for one that is damaged. */
export const readMarker = (stateDirectory: string, datadir: string): Promise<FoundMarker | undefined> =>
  read(pathOf(stateDirectory, datadir));

/** All markers of this host; an error in the place of one that is damaged. */
export async function listMarkers(stateDirectory: string): Promise<(FoundMarker | Error)[]> {
  const directory = directoryOf(stateDirectory);
  const names = (await ifThere(readdir(directory))) ?? [];
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map((name) => read(join(directory, name)).catch((error: Error) => error)),
  );
  return found.filter((marker) => marker !== undefined);
}

/** Clears away the locks of processes that died. */
export const sweepServerLocks = (stateDirectory: string): void => {
  if (existsSync(directoryOf(stateDirectory))) sweepLockFiles(directoryOf(stateDirectory));
};

/** Removes the marker of this backup once every applier it names runs again; leaves another's in its place. */
export async function removeMarker(
  stateDirectory: string,
  { member, backupId }: { member: Pick<Member, 'datadir'>; backupId: string },
): Promise<void> {
  const found = await readMarker(stateDirectory, member.datadir);
  if (found?.backupId === backupId) await rm(pathOf(stateDirectory, member.datadir), { force: true });
}
