import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { undefinedTables } from '../../../../contract/mysql-files/defines-table.ts';
import { type TableName, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext, FilePiece, StoredFiles } from '../../engine.ts';
import { writeRestoreMarker } from '../restore/marker.ts';
import { foreignFiles, makeStaging, missingFiles } from '../restore/unpack.ts';
import { toolOfFlavour } from '../tools/tool.ts';
import { requiredFiles } from '../xbstream/completeness.ts';
import { decodePath } from '../xbstream/paths.ts';
import type { TableLink } from './table-set.ts';

type Listed = readonly { path: string; bytes: number }[];

/**
 * Why these files do not bring the tables back, or must not be written; empty for a sound set.
 * @param defines tables whose definitions must be there
 */
export function faultsOfSet(
  defines: readonly TableName[],
  manifest: Pick<Manifest, 'restore' | 'metrics' | 'flavour'>,
  files: Listed,
): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const faults = [...foreignFiles(files)];
  for (const path of paths) {
    const decoded = decodePath(Buffer.from(path));
    if ('detail' in decoded) faults.push(`${JSON.stringify(path)}: ${decoded.detail}`);
  }
  for (const names of requiredFiles(toolOfFlavour(manifest.flavour).stream, false)) {
    if (!names.some((name) => paths.has(name))) faults.push(`${names.join(' or ')} is missing`);
  }
  for (const table of undefinedTables(defines, paths, manifest.flavour)) {
    faults.push(`the definition of ${tableText(table)} is missing`);
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > manifest.restore.bytes) {
    faults.push(`${bytes} bytes, where the whole backup needs ${manifest.restore.bytes}`);
  }
  if (files.length > manifest.metrics.files) {
    faults.push(`${files.length} files, where the whole backup has ${manifest.metrics.files}`);
  }
  return faults;
}

type Unpacking = Pick<RestoreTablesOrder, 'tables' | 'ancestors' | 'target'>;

/**
 * Reads what one backup has of the tables, and of what they need, into a directory of ours.
 * @param last the backup that is brought back; of those below it a table may be missing, which came later
 */
export async function readLink(
  root: string,
  { tables, ancestors, target }: Unpacking,
  stored: StoredFiles,
  { roleOf }: Pick<TableLink, 'roleOf'>,
  last: boolean,
  context: EngineContext,
): Promise<Listed> {
  const { manifest } = stored;
  const wanted = () => (path: string) => roleOf(path) !== undefined;
  const { files, bytes, pieces } = await stored.readFiles('main', wanted);
  const faults = faultsOfSet(last ? [...tables, ...ancestors] : [], manifest, files);
  if (faults.length > 0) {
    throw new NamedError('Restore.StreamDamaged', faults.slice(0, 20).join('; '), { faults: faults.length });
  }
  try {
    await writeFiles(root, files, pieces, (done) => {
      context.signal.throwIfAborted();
      context.progress('reading the tables', done, bytes);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new NamedError(
      'Restore.NoSpace',
      `the disk of ${target.directory} became full while ${bytes} bytes were unpacked`,
      { directory: target.directory, bytes },
      { cause: error },
    );
  }
  const reasons = await missingFiles(root, files);
  if (reasons.length > 0) {
    throw new NamedError('Restore.StreamDamaged', reasons.slice(0, 20).join('; '), { files: reasons.length });
  }
  return files;
}

export const bytesOf = (files: Listed) => files.reduce((sum, { bytes }) => sum + bytes, 0);

/** Reads the full, or the one that the chain begins with, into a new staging directory. */
export async function unpackTables(
  order: RestoreTablesOrder,
  stored: StoredFiles,
  link: TableLink,
  last: boolean,
  context: EngineContext,
): Promise<{ bytes: number }> {
  const { directory } = order.target;
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  const staging = await makeStaging(order.target);
  await writeRestoreMarker(directory, { ...who, state: 'unpacking' });
  const files = await readLink(staging, order, stored, link, last, context);
  // MySQL does not start without it, and may have only logs in it, which are left out.
  await mkdir(join(staging, 'mysql'), { recursive: true, mode: 0o700 });
  await writeRestoreMarker(directory, {
    ...who,
    state: 'unpacked',
    files: files.map(({ path, bytes: size }) => [path, size]),
  });
  return { bytes: bytesOf(files) };
}

/** Files open at once are at most those that the tool copied at once, since each is closed with its last piece. */
async function writeFiles(
  root: string,
  files: Listed,
  pieces: AsyncIterable<FilePiece>,
  onBytes: (done: number) => void,
): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handles = new Map<string, FileHandle>();
  const openNew = (path: string) => open(join(root, path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  for (const parent of new Set(files.map(({ path }) => dirname(path)))) {
    await mkdir(join(root, parent), { recursive: true, mode: 0o700 });
  }
  let done = 0;
  try {
    for (const { path, bytes } of files) if (bytes === 0) await (await openNew(path)).close();
    for await (const { path, off, bytes, last } of pieces) {
      const handle = handles.get(path) ?? (await openNew(path));
      handles.set(path, handle);
      await handle.write(bytes, 0, bytes.length, off);
      done += bytes.length;
      onBytes(done);
      if (!last) continue;
      handles.delete(path);
      await handle.close();
    }
  } finally {
    for (const handle of handles.values()) await handle.close().catch(() => {});
  }
}
