import { existsSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** `Europe/Berlin`: neither a path out of the zones nor a rule written out. */
const zoneName = /^[A-Za-z][\w+-]*(?:\/[A-Za-z][\w+-]*){0,3}$/;
const zones = '/usr/share/zoneinfo';

/** What a program takes where it does not find a zone. */
const universal = /^(?:Etc\/)?(?:UTC|UCT|GMT|Universal|Zulu)$/;

/** Whether this host has a zone of that name; without it a program would take UTC and say nothing. */
export const hasZone = (zone: string): boolean =>
  universal.test(zone) || (zoneName.test(zone) && existsSync(join(zones, zone)));

/**
 * Name of the zone in which a process of this host lives: of its own TZ, else of the host. Undefined where neither is a
 * name that this host has.
 */
export async function zoneOfProcess(pid: number | undefined, root = '/'): Promise<string | undefined> {
  const environment =
    pid === undefined ? '' : await readFile(join(root, `proc/${pid}/environ`), 'latin1').catch(() => '');
  const own = environment.split('\0').find((entry) => entry.startsWith('TZ='));
  const link = await readlink(join(root, 'etc/localtime')).catch(() => '');
  const named = await readFile(join(root, 'etc/timezone'), 'latin1').catch(() => '');
  const hosts = /zoneinfo\/(.+)$/.exec(link)?.[1] ?? named.trim();
  const zone = own?.slice('TZ='.length).replace(/^:/, '') ?? hosts;
  return hasZone(zone) ? zone : undefined;
}
