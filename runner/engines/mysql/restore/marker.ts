import { constants } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * Where files wait until they are whole; inside the target, which may be a mount point of its own. MySQL finds no
 * tablespace below a name that begins with a dot.
 */
export const stagingDirectory = (directory: string) => join(directory, 'holdfast-partial');
/**
 * Temporary files of this restore's tools and server, and of nobody else: a server that starts removes every `#sql…`
 * file of its temporary directory, also those of a production server beside it.
 */
export const temporaryDirectory = (directory: string) => join(directory, temporaryName);
export const temporaryName = '.holdfast-tmp';
/** The files of one incremental, from their unpacking until they are applied. */
export const incrementDirectory = (directory: string) => join(directory, '.holdfast-increment');
export const markerPath = (directory: string) => join(directory, 'holdfast-restore.json');

const markerSchema = z.object({
  v: z.literal(1),
  clusterId: z.string(),
  backupId: z.string(),
  /** What has been reached. Anything but `placed` and `started` means: not a database yet. */
  state: z.enum([
    'unpacking',
    'unpacked',
    'prepared',
    'applying',
    'compared',
    'placing',
    'placed',
    'started',
  ]),
  at: z.string(),
  /** Path and bytes of each unpacked file, so that prepare can see that none went missing. */
  files: z.array(z.tuple([z.string(), z.number()])).optional(),
});

export type RestoreMarker = z.infer<typeof markerSchema>;

/** Says in the target itself how far its restore has come (F69). Durable before it returns. */
export async function writeRestoreMarker(
  directory: string,
  marker: Omit<RestoreMarker, 'v' | 'at'>,
): Promise<void> {
  const path = markerPath(directory);
  // The directory becomes the server account's: no link of its making is followed.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(`${path}.new`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(JSON.stringify({ v: 1, at: new Date().toISOString(), ...marker }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** The marker of a target, undefined where there is none that can be read. */
export async function readRestoreMarker(directory: string): Promise<RestoreMarker | undefined> {
  const text = await readFile(markerPath(directory), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : markerSchema.parse(JSON.parse(text));
}
