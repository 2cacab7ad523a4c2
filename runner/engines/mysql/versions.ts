import type { RunChild } from '../../host/child.ts';

/** `10.11.19` of anything that carries a version, null where there is none. */
export function versionIn(text: string): string | null {
  return /(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? null;
}

function parts(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = (versionIn(version) ?? '').split('.').map(Number);
  return [major, minor, patch];
}

/** `8.4` of `8.4.7`. */
export const lineOf = (version: string): string => parts(version).slice(0, 2).join('.');

/** Lines of MySQL and Percona Server with a line of XtraBackup of their own; between them only what is short-lived. */
export const mysqlLines = ['8.0', '8.4', '9.7'] as const;
export type MysqlLine = (typeof mysqlLines)[number];
export const isMysqlLine = (line: string): line is MysqlLine => mysqlLines.some((known) => known === line);

/**
 * Whether this mariadb-backup may back up this server (F19): the same series, and not an older patch than the
 * server, since a server may write redo that an older tool does not know. Undefined when it may, else why not.
 */
export function toolMisfit(server: string, tool: string | null): string | undefined {
  if (tool === null)
    return `mariadb-backup is missing; the server is ${server}, install mariadb-backup ${server}`;
  const [major, minor, patch] = parts(server);
  const [toolMajor, toolMinor, toolPatch] = parts(tool);
  if (major === toolMajor && minor === toolMinor && toolPatch >= patch) return undefined;
  return `mariadb-backup ${tool} does not fit the server ${server}; ${major}.${minor}.${patch} or a later patch is needed`;
}

/**
 * The same of XtraBackup: the server's line. Within 8.0 the format of the redo changed until 8.0.34, since then and in
 * 8.4 and 9.7 a tool takes every patch of its line (8.4.0-5 is of an 8.4.7).
 */
export function xtrabackupMisfit(server: string, tool: string | null): string | undefined {
  const line = lineOf(server);
  if (!isMysqlLine(line)) {
    return `the server is of the line ${line}, for which this version knows no XtraBackup; known are ${mysqlLines.join(', ')}`;
  }
  if (tool === null) return `xtrabackup is missing; the server is ${server}, install XtraBackup ${line}`;
  const [, , patch] = parts(server);
  const [, , toolPatch] = parts(tool);
  if (lineOf(tool) !== line)
    return `xtrabackup ${tool} does not fit the server ${server}; one of the line ${line} is needed`;
  if (line === '8.0' && toolPatch < 34) {
    return `xtrabackup ${tool} does not fit the server ${server}; 8.0.34 or a later patch is needed${toolPatch >= patch ? ', which knows zstd' : ''}`;
  }
  return undefined;
}

/**
 * Whether a server of `target` can run data of `backup`: the same series and not older (M23). Undefined when it can.
 */
export function serverMisfit(
  backup: string,
  target: string | null,
  program: 'mariadbd' | 'mysqld' = 'mariadbd',
): string | undefined {
  if (target === null) return `${program} is missing; the backup is of ${backup}`;
  const [major, minor, patch] = parts(backup);
  const [targetMajor, targetMinor, targetPatch] = parts(target);
  if (major === targetMajor && minor === targetMinor && targetPatch >= patch) return undefined;
  return `the target has ${target}, the backup is of ${backup}; ${major}.${minor}.${patch} or a later patch is needed`;
}

/** Programs the engine starts. */
export const toolNames = ['mariadb-backup', 'mariadbd', 'xtrabackup', 'mysqld'] as const;
export type ToolName = (typeof toolNames)[number];
export type ToolVersions = Record<ToolName, string | null>;

/** What a program says of its version; its release is part of XtraBackup's (`8.4.0-7`). */
export function toldVersion(name: ToolName, said: string): string | null {
  // MariaDB brings a mysqld that is a mariadbd.
  if (name === 'mysqld' && said.includes('MariaDB')) return null;
  if (name === 'xtrabackup') return /xtrabackup version (\d+\.\d+\.\d+(?:-[\w.]+)?)/.exec(said)?.[1] ?? null;
  return versionIn(said);
}

async function versionOf(name: ToolName, runChild: RunChild, signal: AbortSignal): Promise<string | null> {
  const end = await runChild({ command: name, args: ['--version'], signal, stallSeconds: 30 });
  signal.throwIfAborted();
  // The backup tools tell their version on stderr, servers on stdout.
  return end.exitCode === 0 ? toldVersion(name, `${end.stdout}\n${end.stderrTail.join('\n')}`) : null;
}

/** Versions of the tools on this host, null where one is missing or does not run. */
export async function findTools(runChild: RunChild, signal: AbortSignal): Promise<ToolVersions> {
  const found = await Promise.all(toolNames.map((name) => versionOf(name, runChild, signal)));
  return Object.fromEntries(toolNames.map((name, i) => [name, found[i] ?? null])) as ToolVersions;
}
