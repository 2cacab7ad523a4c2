import type { Stage } from '../stages.ts';
import type { Words } from '../words/words.ts';
import type { XbstreamFlavour } from '../xbstream/events.ts';
import { mariadbBackup } from './mariadb-backup.ts';
import { xtrabackup } from './xtrabackup.ts';

/** A tool of physical backups, as far as it differs from the other one. */
export type Tool = {
  name: 'mariadb-backup' | 'xtrabackup';
  /** The server that lives on what it has prepared. */
  server: 'mariadbd' | 'mysqld';
  stream: XbstreamFlavour;
  /** The stage that this line begins, if it begins one. */
  stageOf: (line: string) => Stage | undefined;
  /** From this stage on a stall of the store is felt by everyone and taken by the spool. */
  spoolsAt: Stage;
  /** The redo log was overwritten before it was copied (M07). */
  saysRedoOverrun: (line: string) => boolean;
  /** What makes the redo larger, for the operator. */
  redoVariable: string;
  /** Lines that only name a file that was copied; there is one or more per file. */
  isFileLine: (line: string) => boolean;
  /** Lines of its prepare that mean that something is missing or damaged, whatever its exit code (M19). */
  prepareWarnings: (lines: readonly string[]) => string[];
  /** What it writes into backup-my.cnf: one line of a sound one. */
  plainOption: RegExp;
};

export const toolOf = (family: Words['family']): Tool => (family === 'mariadb' ? mariadbBackup : xtrabackup);

/** The tool of a backup, by the flavour in its manifest. */
export const toolOfFlavour = (flavour: string): Tool => (flavour === 'mariadb' ? mariadbBackup : xtrabackup);
