import { isFileLine, saysRedoOverrun, stageOf } from '../stages.ts';
import type { Tool } from './tool.ts';
import { withoutPaths } from './without-paths.ts';

/**
 * What prepare says when it goes on without something it needs (M19): it ends with code 0 and `completed OK!` all the
 * same. Any warning or error of InnoDB or Aria counts, because a sound full backup prepares without one. Its notes do
 * not: `unable to open file` stands for each table that was dropped or renamed since the checkpoint, and where the
 * file is truly missing a warning follows once the redo is read.
 */
const warning =
  /will be ignored|was not found at|\[(?:ERROR|Warning)\]|^\[\d+\] (?:\S+ \S+ )?(?:fatal )?(?:error|warning)\b|corrupt/i;

/** Harmless where they come: about the process, not about the files. */
const harmless = /setrlimit|io_uring|O_DIRECT|Memory pressure|could not lock memory|deprecated/i;

/** mariadb-backup 10.6 to 11.8. */
export const mariadbBackup: Tool = {
  name: 'mariadb-backup',
  server: 'mariadbd',
  stream: 'mariadb',
  stageOf,
  spoolsAt: 'ddl',
  saysRedoOverrun,
  redoVariable: 'innodb_log_file_size',
  isFileLine,
  prepareWarnings: (lines) =>
    lines.filter((line) => {
      const said = withoutPaths(line);
      return warning.test(said) && !harmless.test(said);
    }),
  // InnoDB's own options, and nothing that loads or points elsewhere.
  plainOption: /^(?:#.*|\[mysqld\]|innodb_[a-z_]+ ?= ?[^/]*|innodb_undo_directory ?= ?\.\/|)$/,
};
