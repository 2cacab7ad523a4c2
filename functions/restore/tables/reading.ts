import { z } from 'zod';
import { countNeeded, neededOf } from '../../../contract/formats/needed-bytes.ts';
import { undefinedTables } from '../../../contract/mysql-files/defines-table.ts';
import { filesOfChain } from '../../../contract/mysql-files/files-of-chain.ts';
import type { FileRole, TableSet } from '../../../contract/mysql-files/files-of-tables.ts';
import type { TableName } from '../../../contract/mysql-files/relations.ts';
import { filesOfDump } from './files-of-dump.ts';
import type { indexRows } from './index-rows.ts';

const partSchema = z.object({
  /** Of files, as they lie on a disk. */
  bytes: z.number(),
  /** What they take of what is stored, and what is read for them: whole frames. */
  storedBytes: z.number(),
  readBytes: z.number(),
});

/** What will be read, in three parts: the tables, what they depend on, and what a server needs to start. */
export const readingSchema = z.object({
  tables: partSchema,
  ancestors: partSchema,
  fixed: partSchema,
  frames: z.number(),
});

export type Reading = z.infer<typeof readingSchema>;

/** Frames that hold bytes of several are counted for the first. */
const roles: readonly FileRole[] = ['table', 'ancestor', 'fixed'];

export type Read = {
  reading: Reading;
  /** Tables of which the index has no definition: they came while the backup ran. */
  absent: TableName[];
  faults: string[];
  /** Tablespaces of which the index does not say which they are. */
  unnumbered: string[];
};

async function countedOf(rows: ReturnType<typeof indexRows>, roleOf: (path: string) => FileRole | undefined) {
  const { files, chunks, faults } = await neededOf(rows, roleOf);
  const counted = await countNeeded(chunks, rows.frames(), roles);
  const part = (role: FileRole) => ({
    bytes: files.filter((file) => file.role === role).reduce((sum, { bytes }) => sum + bytes, 0),
    storedBytes: counted.stored[role],
    readBytes: counted.read[role],
  });
  const reading: Reading = {
    tables: part('table'),
    ancestors: part('ancestor'),
    fixed: part('fixed'),
    frames: counted.frames,
  };
  return { files, faults, reading };
}

/** The same for a dump, of which no file is anything but a table's rows or all definitions. */
export async function readingOfDump(
  set: Pick<TableSet, 'tables' | 'ancestors'>,
  rows: ReturnType<typeof indexRows>,
): Promise<Read> {
  const { faults, reading } = await countedOf(rows, filesOfDump(set));
  return { reading, absent: [], faults, unnumbered: [] };
}

/** Finds in the index of a full what must be read to bring the tables back, or of each backup of a chain, the last one first. */
export async function readingOf(
  set: TableSet,
  rows: ReturnType<typeof indexRows>,
  filesOfLink = filesOfChain(set),
): Promise<Read> {
  const { roleOf, unnumbered } = await filesOfLink(rows.files);
  const { files, faults, reading } = await countedOf(rows, roleOf);
  const paths = files.map(({ path }) => path);
  return {
    reading,
    absent: undefinedTables([...set.tables, ...set.ancestors], paths, set.flavour ?? 'mariadb'),
    faults,
    unnumbered,
  };
}

/** What reading several backups comes to. */
export function sumOf(readings: readonly Reading[]): Reading {
  const part = (of: 'tables' | 'ancestors' | 'fixed') => {
    const sum = (what: keyof z.infer<typeof partSchema>) =>
      readings.reduce((total, reading) => total + reading[of][what], 0);
    return { bytes: sum('bytes'), storedBytes: sum('storedBytes'), readBytes: sum('readBytes') };
  };
  return {
    tables: part('tables'),
    ancestors: part('ancestors'),
    fixed: part('fixed'),
    frames: readings.reduce((total, { frames }) => total + frames, 0),
  };
}
