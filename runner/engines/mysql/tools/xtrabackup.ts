import type { Stage } from '../stages.ts';
import type { Tool } from './tool.ts';
import { withoutPaths } from './without-paths.ts';

/**
 * The words of XtraBackup's stderr. With `--lock-ddl=ON` DDL is blocked from the first line on; commits only where a
 * global read lock is needed, for tables that are not of InnoDB, or by Percona Server's lock of the log.
 */
const rules: readonly [RegExp, Stage][] = [
  [/Executing LOCK (?:INSTANCE|TABLES) FOR BACKUP/, 'ddl'],
  [/Starting to backup non-InnoDB tables and files/, 'ending-copy'],
  [/Executing (?:FLUSH TABLES WITH READ LOCK|LOCK BINLOG FOR BACKUP)/, 'commit'],
  [/All tables unlocked/, 'unlocked'],
];

/** Prepare warns of much that is usual (an unknown tablespace number); these words are not. */
const missing =
  /\[ERROR\]|will be ignored|(?:was|were|is|are) (?:not found|missing)|cannot (?:open|find)|corrupt|page .* checksum|failed/i;

/** About the process, not about the files. */
const harmless =
  /setrlimit|io_uring|O_DIRECT|could not lock memory|deprecated|posix_fadvise|io_setup\(\) failed|linux native aio/i;

/** XtraBackup 8.0, 8.4 and 9.7. */
export const xtrabackup: Tool = {
  name: 'xtrabackup',
  server: 'mysqld',
  stream: 'percona',
  stageOf: (line) => rules.find(([pattern]) => pattern.test(line))?.[1],
  spoolsAt: 'commit',
  saysRedoOverrun: (line) =>
    /log block numbers? mismatch|redo log .*(?:overwritten|wrapped)|log has wrapped around|log copying being too slow|Unable to (?:find|locate) checkpoint/i.test(
      line,
    ),
  redoVariable: 'innodb_redo_log_capacity (innodb_log_file_size before 8.0.30)',
  isFileLine: (line) =>
    /\[Xtrabackup\] (?:Done: )?(?:Streaming|Compressing|Encrypting|Copying|Writing)\b|>> log scanned up to|^\s*$/.test(
      line,
    ),
  prepareWarnings: (lines) =>
    lines.filter((line) => {
      const said = withoutPaths(line);
      return missing.test(said) && !harmless.test(said);
    }),
  plainOption:
    /^(?:#.*|\[mysqld\]|innodb_[a-z_]+ ?= ?[^/]*|innodb_undo_directory ?= ?\.\/?|redo_log_version ?= ?\d+|server_id ?= ?\d+|server_uuid ?= ?[0-9a-f-]*|master_key_id ?= ?0?|plugin_load ?= ?|)$/,
};
