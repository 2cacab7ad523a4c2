import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** Which appliers a backup has stopped, on a disk that outlives the runner (M11). */
const markerSchema = z.object({
  v: z.literal(1),
  clusterId: z.string(),
  memberId: z.string(),
  backupId: z.string(),
  channels: z.array(z.string()).min(1),
  stoppedAt: z.string(),
});

export type ApplierMarker = z.infer<typeof markerSchema>;

type Place = { clusterId: string; memberId: string };

/** Ids have neither dots nor slashes, so the name is unambiguous. */
const pathOf = (stateDirectory: string, { clusterId, memberId }: Place) =>
  join(stateDirectory, 'applier', `${clusterId}.${memberId}.json`);

async function syncDirectory(path: string) {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

/** Writes the marker, durably, before the first applier is stopped. */
export async function writeMarker(stateDirectory: string, marker: ApplierMarker): Promise<void> {
  const path = pathOf(stateDirectory, marker);
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

/** The marker of a member, undefined where no backup has left one. */
export async function readMarker(stateDirectory: string, place: Place): Promise<ApplierMarker | undefined> {
  const text = await readFile(pathOf(stateDirectory, place), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : markerSchema.parse(JSON.parse(text));
}

/** Removes the marker, once every applier it names runs again. */
export async function removeMarker(stateDirectory: string, place: Place): Promise<void> {
  await rm(pathOf(stateDirectory, place), { force: true });
}
