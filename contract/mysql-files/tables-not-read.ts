type Kind = {
  flavour: string;
  level: 'full' | 'incremental';
  chain?: string | null | undefined;
  /** The log is to be replayed on them. */
  toAPoint: boolean;
};

/** Why single tables are not read of a backup of this kind, after `is`; undefined where they are. */
export function tablesNotRead({ flavour, level, chain, toAPoint }: Kind): string | undefined {
  if (flavour === 'mariadb') return undefined;
  if (flavour !== 'mysql' && flavour !== 'percona') {
    return `of ${flavour}; single tables are read of backups of MariaDB, MySQL and Percona Server`;
  }
  if (level === 'incremental') {
    return `an incremental of ${flavour}, of which single tables are not read in this version; the nearest full is ${chain ?? 'an earlier one'}`;
  }
  if (toAPoint)
    return `of ${flavour}, and its log is not replayed on single tables in this version; leave out until, or restore the whole to the point`;
  return undefined;
}
