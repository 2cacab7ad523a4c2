import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readStored } from '../../contract/formats/codec.ts';
import { archiveEndSchema } from '../../contract/records/agent.ts';
import { id, mintedId } from '../../contract/records/ids.ts';

/** What this host knows of one archive beyond its orders; outlives the agent. */
const noteSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  set: id,
  timeline: mintedId,
  epoch: z.int(),
  newest: archiveEndSchema.nullable(),
  /** A segment that is sealed and perhaps not stored; its bytes lie beside this note. */
  pending: archiveEndSchema.nullable(),
  /** Why the archive cannot go on, where no log tells: the server was seen writing without one. */
  lost: z.string().optional(),
});

export type ArchiveNote = z.infer<typeof noteSchema>;

/** Notes and sealed segments of one archive, on a disk that outlives agent and host. */
export type Notes = {
  read: () => Promise<ArchiveNote | undefined>;
  write: (note: ArchiveNote) => Promise<void>;
  /** The bytes of the pending segment. */
  keep: (body: Buffer) => Promise<void>;
  kept: () => Promise<Buffer | undefined>;
  forget: () => Promise<void>;
};

/** Writes a file so that after a crash either the old or the new one is there, whole. */
export async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param name one archive's, made of ids */
export function openNotes(stateDirectory: string, name: string): Notes {
  const path = join(stateDirectory, 'logs', `${name}.json`);
  const body = join(stateDirectory, 'logs', `${name}.segment`);
  return {
    read: async () => {
      const text = await readIfThere(path);
      if (text === undefined) return undefined;
      try {
        return readStored(noteSchema, path, JSON.parse(text.toString('utf8')));
      } catch {
        // Of another release, or spoilt: the orders say where the record ends.
        return undefined;
      }
    },
    write: (note) => writeDurably(path, JSON.stringify(note)),
    keep: (bytes) => writeDurably(body, bytes),
    kept: () => readIfThere(body),
    forget: () => rm(body, { force: true }),
  };
}
