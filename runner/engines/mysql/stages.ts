/**
 * What a line of mariadb-backup's stderr says of the locks it holds. `wanted` when it begins to ask for them: from
 * then on sessions queue behind it, whether it has them already or not.
 */
export type Stage = 'start' | 'ending-copy' | 'ddl' | 'commit' | 'unlocked';

const rules: readonly [RegExp, Stage][] = [
  // BACKUP STAGE START keeps only other backups away; InnoDB files are copied under it.
  [/Starting BACKUP STAGE START/, 'start'],
  // The system tables are copied last before the first lock that anyone feels.
  [/aria table file \.\/mysql\/\S+ is copied/, 'ending-copy'],
  [/(?:Starting|Started) BACKUP STAGE (?:FLUSH|BLOCK_DDL)/, 'ddl'],
  [/(?:Starting|Started) BACKUP STAGE BLOCK_COMMIT/, 'commit'],
  [/All tables unlocked/, 'unlocked'],
];

/** The stage that this line begins, if it begins one. Seen in mariadb-backup 10.11. */
export function stageOf(line: string): Stage | undefined {
  return rules.find(([pattern]) => pattern.test(line))?.[1];
}

/** The redo log was overwritten before it was copied (M07). */
export const saysRedoOverrun = (line: string) =>
  /Was only able to copy log from|log block numbers? mismatch|redo log .*overwritten/i.test(line);

/** Lines that only name a file that was copied; there is one or more per file. */
export const isFileLine = (line: string) =>
  /\] \S+ \S+\s+(?:Streaming |\.\.\.done|>> log scanned|aria table file |Copied file )|^\s*$/.test(line);
