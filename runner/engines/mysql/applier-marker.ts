import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readProcess } from '../../host/process-group.ts';

/** Which appliers a backup has stopped, on a disk that outlives the runner (M11). */
const markerSchema = z.object({
  v: z.literal(1),
  clusterId: z.string(),
  memberId: z.string(),
  backupId: z.string(),
  channels: z.array(z.string()).min(1),
  stoppedAt: z.string(),
  /** The process that will start them again; its start time tells it from a later one with its number. */
  runner: z.object({ pid: z.int(), startTime: z.string() }),
});

export type ApplierMarker = z.infer<typeof markerSchema>;

/** A server is known by its data directory: jobs that know no cluster must find its marker too. */
const pathOf = (stateDirectory: string, datadir: string) =>
  join(stateDirectory, 'applier', `${createHash('sha256').update(datadir).digest('hex').slice(0, 32)}.json`);

/** This process, as markers name it. */
export const thisRunner = () => ({
  pid: process.pid,
  startTime: readProcess(process.pid)?.startTime ?? '',
});

/** Whether the process that wrote the marker still runs. */
export function runnerLives({ runner }: Pick<ApplierMarker, 'runner'>): boolean {
  const found = readProcess(runner.pid);
  return found !== undefined && found.startTime === runner.startTime && found.state !== 'Z';
}

async function syncDirectory(path: string) {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

/** Writes the marker, durably, before the first applier is stopped. */
export async function writeMarker(
  stateDirectory: string,
  datadir: string,
  marker: ApplierMarker,
): Promise<void> {
  const path = pathOf(stateDirectory, datadir);
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

/** The marker of a server, undefined where no backup has left one. */
export async function readMarker(
  stateDirectory: string,
  datadir: string,
): Promise<ApplierMarker | undefined> {
  const text = await readFile(pathOf(stateDirectory, datadir), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  return text === undefined ? undefined : markerSchema.parse(JSON.parse(text));
}

/** Removes the marker, once every applier it names runs again. */
export async function removeMarker(stateDirectory: string, datadir: string): Promise<void> {
  await rm(pathOf(stateDirectory, datadir), { force: true });
}
