/** Programs that a restore needs on its target, by flavour: the server, and the tool that prepares. */
export const restorePrograms: Readonly<Record<string, { server: string; tool: string }>> = {
  mariadb: { server: 'mariadbd', tool: 'mariadb-backup' },
  mysql: { server: 'mysqld', tool: 'xtrabackup' },
  percona: { server: 'mysqld', tool: 'xtrabackup' },
};

/** `10.11.6` of anything that carries a version. */
function versionIn(text: string): [number, number, number] | undefined {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

/**
 * Whether a server of version `target` can run data of `backup` (M23): the same series and not older, since an
 * older one may not know what a newer one wrote. Undefined when it can, else what would be right.
 */
export function serverMisfit(backup: string, target: string): string | undefined {
  const [from, to] = [versionIn(backup), versionIn(target)];
  if (from && to && from[0] === to[0] && from[1] === to[1] && to[2] >= from[2]) return undefined;
  return from
    ? `${from[0]}.${from[1]}.${from[2]} or a later ${from[0]}.${from[1]} is needed`
    : `the backup says ${backup}`;
}

/** Whether `version` is of a later series than `of`: what its server writes an older one need not understand. */
export function isLaterSeries(version: string, of: string): boolean {
  const [later, own] = [versionIn(version), versionIn(of)];
  if (later === undefined || own === undefined) return false;
  return later[0] === own[0] ? later[1] > own[1] : later[0] > own[0];
}

/** Whether a tool of version `target` prepares a backup of a `backup` server: the same series (F19). */
export function toolMisfit(backup: string, target: string): string | undefined {
  const [from, to] = [versionIn(backup), versionIn(target)];
  if (from && to && from[0] === to[0] && from[1] === to[1]) return undefined;
  return from ? `one of the series ${from[0]}.${from[1]} is needed` : `the backup says ${backup}`;
}
