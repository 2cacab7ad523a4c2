import type { RunChild } from '../../host/child.ts';

/** `10.11.19` of anything that carries a version, null where there is none. */
export function versionIn(text: string): string | null {
  return /(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? null;
}

function parts(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = (versionIn(version) ?? '').split('.').map(Number);
  return [major, minor, patch];
}

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
 * Whether a server of `target` can run data of `backup`: the same series and not older (M23). Undefined when it can.
 */
export function serverMisfit(backup: string, target: string | null): string | undefined {
  if (target === null) return `mariadbd is missing; the backup is of ${backup}`;
  const [major, minor, patch] = parts(backup);
  const [targetMajor, targetMinor, targetPatch] = parts(target);
  if (major === targetMajor && minor === targetMinor && targetPatch >= patch) return undefined;
  return `the target has ${target}, the backup is of ${backup}; ${major}.${minor}.${patch} or a later patch is needed`;
}

/** Programs the engine starts. */
export const toolNames = ['mariadb-backup', 'mariadbd'] as const;
export type ToolVersions = Record<(typeof toolNames)[number], string | null>;

async function versionOf(name: string, runChild: RunChild, signal: AbortSignal): Promise<string | null> {
  const end = await runChild({ command: name, args: ['--version'], signal, stallSeconds: 30 });
  signal.throwIfAborted();
  // mariadb-backup tells its version on stderr, mariadbd on stdout.
  return end.exitCode === 0 ? versionIn(`${end.stdout}\n${end.stderrTail.join('\n')}`) : null;
}

/** Versions of the tools on this host, null where one is missing or does not run. */
export async function findTools(runChild: RunChild, signal: AbortSignal): Promise<ToolVersions> {
  const [backup, server] = await Promise.all(toolNames.map((name) => versionOf(name, runChild, signal)));
  return { 'mariadb-backup': backup ?? null, mariadbd: server ?? null };
}
