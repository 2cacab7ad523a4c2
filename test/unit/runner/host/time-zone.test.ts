import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { hasZone, zoneOfProcess } from '../../../../runner/host/time-zone.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

describe('the time zone in which a process lives', () => {
  const host = (environ: string, localtime?: string, timezone?: string) => {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-zone-'));
    roots.push(root);
    mkdirSync(join(root, 'proc/7'), { recursive: true });
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'proc/7/environ'), environ);
    if (localtime !== undefined) symlinkSync(localtime, join(root, 'etc/localtime'));
    if (timezone !== undefined) writeFileSync(join(root, 'etc/timezone'), timezone);
    return root;
  };

  it.each([
    ['its own', 'A=1\0TZ=UTC\0B=2', '/usr/share/zoneinfo/Etc/UTC', 'UTC'],
    ['its own, as a file', 'TZ=:Etc/UTC\0', undefined, 'Etc/UTC'],
    ['that of the host', 'A=1\0', '/usr/share/zoneinfo/Etc/UTC', 'Etc/UTC'],
    ['that of the host, also where the link is relative', '', '../usr/share/zoneinfo/UTC', 'UTC'],
    ['not known where a rule is written out', 'TZ=CET-1CEST,M3.5.0,M10.5.0/3\0', undefined, undefined],
    ['not known where no such zone is here', 'TZ=Middle/Earth\0', undefined, undefined],
    ['not known where nothing says so', '', undefined, undefined],
  ])('is %s', async (_, environ, localtime, zone) => {
    expect(await zoneOfProcess(7, host(environ, localtime))).toBe(zone);
  });

  it('is that of the host where its process is not known, and where the host has a name only', async () => {
    expect(await zoneOfProcess(undefined, host('TZ=Etc/UTC', undefined, 'UTC\n'))).toBe('UTC');
  });

  it('is no path, whatever a manifest says', () => {
    for (const name of ['../../../etc/passwd', '/etc/passwd', 'Europe/../../x', ':UTC', '']) {
      expect(hasZone(name)).toBe(false);
    }
  });
});
