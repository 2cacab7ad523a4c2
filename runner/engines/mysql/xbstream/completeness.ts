import { unpackedName } from '../../../../contract/mysql-files/table-file.ts';
import { missingCompanions } from './companions.ts';
import type { XbstreamFlavour } from './events.ts';
import type { XbstreamState } from './state.ts';
import { tables } from './tables.ts';

/** One file that must be there, under any of these names. */
export type RequiredFile = readonly [string, ...string[]];

/** A table that must be in the backup with data: base tables of engines that keep their data in files. */
export type ExpectedTable = { db: string; table: string };

export type VerdictInput = {
  state: XbstreamState;
  exitCode: number | null;
  signal: string | null;
  /** What the tool wrote last; its success line must be the last one. */
  stderrTail: string;
  requiredFiles: readonly RequiredFile[];
  /** From information_schema at the moment of the backup; without it, lost tables are found by their files only. */
  expectedTables?: readonly ExpectedTable[];
};

/**
 * `files`: path and bytes of everything that unpacking must leave, sorted by path. `strays`: paths that must not
 * be left but that mbstream may leave (removed by pattern).
 */
export type Verdict =
  | { complete: true; files: { path: string; bytes: number }[]; strays: string[] }
  | { complete: false; reasons: string[] };

/** Reasons of one kind that are told one by one; beyond it their number is told. */
const told = 20;

/**
 * The files that a full or incremental backup of this flavour always ends up with. MariaDB names its metadata
 * mariadb_backup_* from 11.1 on, xtrabackup_* before.
 * @param binlog the server writes a binary log, so its position must be in the backup
 */
export function requiredFiles(flavour: XbstreamFlavour, binlog: boolean): RequiredFile[] {
  const names = (suffix: string): RequiredFile =>
    flavour === 'mariadb' ? [`xtrabackup_${suffix}`, `mariadb_backup_${suffix}`] : [`xtrabackup_${suffix}`];
  return [
    names('info'),
    names('checkpoints'),
    ...(binlog ? [names('binlog_info')] : []),
    ['backup-my.cnf'],
    flavour === 'mariadb' ? ['ib_logfile0'] : ['xtrabackup_logfile'],
  ];
}

/** Whether the last line that the tool wrote to stderr says success. */
export function saysSuccess(stderrTail: string): boolean {
  return stderrTail.trimEnd().endsWith('completed OK!');
}

/**
 * Decides whether a streamed backup is complete, from the whole stream and the end of the tool. Neither the tool's
 * exit code nor its success line is enough (mariadb-backup ends with both when it lost a table that was renamed
 * meanwhile), nor is the stream, which has no end mark: every file must be ended (F08), the metadata be there, every
 * rename have found its file (M19), and every file have those that it is useless without.
 *
 * What the format cannot show: names in the chunks of empty files, removals and renames have no checksum, and the last
 * chunk of a file can be left out as a whole. Companions (t.MYI without t.MYD) and `expectedTables` find most of the
 * former; the latter no damage does, only a tool that never wrote it.
 */
export function verdict(input: VerdictInput): Verdict {
  const { state } = input;
  const reasons: string[] = [];
  if (state.failure !== undefined) {
    const { fault, streamOffset, path, detail } = state.failure;
    const where = path === undefined ? '' : ` (${JSON.stringify(path)})`;
    reasons.push(`the stream is broken at byte ${streamOffset}${where}: ${fault}: ${detail}`);
  } else if (state.midChunk) {
    const { stream, bytes } = state.cut ?? { stream: '', bytes: state.streamBytes };
    reasons.push(`the stream ${stream === '' ? '' : `${stream} `}ends within a chunk, after ${bytes} bytes`);
  }
  if (input.signal !== null) reasons.push(`the tool was ended by ${input.signal}`);
  else if (input.exitCode !== 0) reasons.push(`the tool ended with code ${input.exitCode}`);
  if (!saysSuccess(input.stderrTail)) reasons.push('the tool did not say "completed OK!" last');

  const files = [...state.files].map(([path, file]) => ({ path, ...file }));
  tell(
    reasons,
    files.filter((file) => !file.ended).map((file) => `${file.path} was never ended`),
  );

  const present = new Set(state.files.keys().map(unpackedName));
  for (const names of input.requiredFiles) {
    if (!names.some((name) => present.has(name))) reasons.push(`${names.join(' or ')} is missing`);
  }

  tell(
    reasons,
    [...state.missedRenames].map(
      ([newPath, path]) => `${newPath} is missing: it was renamed from ${path} before that was copied`,
    ),
  );
  // .new files are written last, while DDL is blocked: their tables are there, whatever is removed after them.
  tell(
    reasons,
    [...state.goneWithDirectory]
      .filter((path) => unpackedName(path).endsWith('.new'))
      .map((path) => `${path} is missing: a removal of its directory came after it`),
  );
  tell(reasons, missingCompanions(state.flavour, state.files, state.content));

  if (input.expectedTables !== undefined) {
    const withData = tables(
      state.files.keys().filter((path) => !/\.(frm|TRG|par)$/.test(path)),
      state.content,
    );
    const have = new Set(withData.map(({ db, table }) => JSON.stringify([db, table])));
    const missing = input.expectedTables.filter(({ db, table }) => !have.has(JSON.stringify([db, table])));
    tell(
      reasons,
      missing.map(
        ({ db, table }) => `the table ${JSON.stringify(db)}.${JSON.stringify(table)} has no data file`,
      ),
    );
  }

  if (reasons.length > 0) return { complete: false, reasons };
  const byPath = files.map(({ path, bytes }) => ({ path, bytes })).sort((a, b) => (a.path < b.path ? -1 : 1));
  return { complete: true, files: byPath, strays: [...state.strays].sort() };
}

function tell(reasons: string[], found: string[]) {
  reasons.push(...found.slice(0, told));
  if (found.length > told) reasons.push(`… and ${found.length - told} more of this kind`);
}
