import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { memberSchema } from '../../../contract/records/cluster.ts';
import { processRuns, readProcess } from '../../host/process-group.ts';

/** Which appliers a backup has stopped, on a disk that outlives the runner (M11): enough for another process to undo it. */
const markerSchema = z.object({
  v: z.literal(1),
  clusterId: z.string(),
  backupId: z.string(),
  /** Where the server is and who may log in; of secrets only their names. */
  member: memberSchema,
  channels: z.array(z.string()).min(1),
  stoppedAt: z.string(),
  /** The process that will start them again; its start time tells it from a later one with its number. */
  runner: z.object({ pid: z.int(), startTime: z.string() }),
});

export type ApplierMarker = z.infer<typeof markerSchema>;

const directoryOf = (stateDirectory: string) => join(stateDirectory, 'applier');

/** A server is known by its data directory: jobs that know no cluster must find its marker too. */
const pathOf = (stateDirectory: string, datadir: string) =>
  join(
    directoryOf(stateDirectory),
    `${createHash('sha256').update(datadir).digest('hex').slice(0, 32)}.json`,
  );

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

/** Writes the marker of its member, durably, before the first applier is stopped. */
export async function writeMarker(stateDirectory: string, marker: ApplierMarker): Promise<void> {
  const path = pathOf(stateDirectory, marker.member.datadir);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(marker));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}

const ifThere = async <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

const read = async (path: string): Promise<ApplierMarker | undefined> => {
  const text = await ifThere(readFile(path, 'utf8'));
  return text === undefined ? undefined : markerSchema.parse(JSON.parse(text));
};

/** The marker of a server, undefined where no backup has left one. */
export const readMarker = (stateDirectory: string, datadir: string): Promise<ApplierMarker | undefined> =>
  read(pathOf(stateDirectory, datadir));

/** All markers of this host. */
export async function listMarkers(stateDirectory: string): Promise<ApplierMarker[]> {
  const directory = directoryOf(stateDirectory);
  const names = (await ifThere(readdir(directory))) ?? [];
  const found = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => read(join(directory, name))),
  );
  return found.filter((marker) => marker !== undefined);
}

/** Removes the marker of this backup once every applier it names runs again; leaves another's in its place. */
export async function removeMarker(
  stateDirectory: string,
  { member, backupId }: Pick<ApplierMarker, 'member' | 'backupId'>,
): Promise<void> {
  const found = await readMarker(stateDirectory, member.datadir);
  if (found?.backupId === backupId) await rm(pathOf(stateDirectory, member.datadir), { force: true });
}
