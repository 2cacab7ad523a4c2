import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { tableNameSchema } from '../../../../contract/mysql-files/relations.ts';
import { memberSchema } from '../../../../contract/records/cluster.ts';
import type { EngineContext } from '../../engine.ts';
import { runnerLives } from '../applier-marker.ts';
import { resolveLogin } from '../login.ts';
import { removeScratch } from './scratch.ts';
import { dropTables, dropUnlogged, removeSpaceFiles } from './working-tables.ts';

/** What a restore of tables has begun on this host, on a disk that outlives the runner: enough to clear it away. */
const noteSchema = z.object({
  v: z.literal(1),
  backupId: z.string(),
  /** Where the scratch instance works. */
  directory: z.string(),
  member: memberSchema,
  /** Unfinished tables on the live server. */
  working: z.array(tableNameSchema),
  /** Tables there that are in no log. */
  unlogged: z.array(tableNameSchema).default([]),
  runner: z.object({ pid: z.int(), startTime: z.string() }),
});

export type TablesNote = z.input<typeof noteSchema>;

const directoryOf = (stateDirectory: string) => join(stateDirectory, 'tables');

/** Writes the note durably, before anything of what it names is there. Answers how it is removed. */
export async function writeNote(stateDirectory: string, id: string, note: TablesNote) {
  const directory = directoryOf(stateDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${id}.json`);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(note));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const held = await open(directory, 'r');
  await held.sync().finally(() => held.close());
  return () => rm(path, { force: true });
}

/**
 * Clears away what dead runners left of restores of tables: unfinished tables on live servers, scratch instances. What
 * cannot be cleared is told and left to the next job; answers how many those were.
 */
export async function sweepTables(context: EngineContext, stateDirectory: string): Promise<number> {
  const directory = directoryOf(stateDirectory);
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  let left = 0;
  for (const name of names.filter((of) => of.endsWith('.json'))) {
    const path = join(directory, name);
    try {
      const note = noteSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      if (runnerLives(note)) continue;
      context.log('a restore of tables that ended left something behind', { backupId: note.backupId });
      const login = await resolveLogin(note.member, context);
      await dropUnlogged(login, note.unlogged, context.signal);
      await dropTables(login, note.working, context.signal);
      const all = [...note.working, ...note.unlogged];
      await removeSpaceFiles(login, note.member.datadir, all, context.signal);
      await removeScratch(note.directory);
      await rm(path, { force: true });
    } catch (error) {
      left += 1;
      context.log('what a restore of tables left could not be cleared; the next job tries again', {
        file: path,
        cause: (error as Error).message,
      });
    }
  }
  return left;
}
