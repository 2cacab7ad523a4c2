type Kind = {
  flavour: string;
  level: 'full' | 'incremental';
  chain?: string | null | undefined;
};

/** Why single tables are not read of a backup of this kind, after `is`; undefined where they are. */
export function tablesNotRead({ flavour, level, chain }: Kind): string | undefined {
  if (flavour === 'mariadb') return undefined;
  if (flavour !== 'mysql' && flavour !== 'percona') {
    return `of ${flavour}; single tables are read of backups of MariaDB, MySQL and Percona Server`;
  }
  if (level === 'incremental') {
    return `an incremental of ${flavour}, of which single tables are not read in this version; the nearest full is ${chain ?? 'an earlier one'}`;
  }
  return undefined;
}
