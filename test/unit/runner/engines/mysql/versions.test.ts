import { describe, expect, it } from 'vitest';
import { serverMisfit, toolMisfit, versionIn } from '../../../../../runner/engines/mysql/versions.ts';

describe('versions', () => {
  it('are found in what programs print', () => {
    expect(versionIn('mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu')).toBe('10.11.19');
    expect(versionIn('my_print_defaults  Ver 1.8')).toBeNull();
  });

  it('F19 let a tool back up servers of its series up to its own patch', () => {
    expect(toolMisfit('10.11.19-MariaDB-0+deb12u1', '10.11.19')).toBeUndefined();
    expect(toolMisfit('10.11.2-MariaDB', '10.11.19')).toBeUndefined();
    expect(toolMisfit('10.11.20-MariaDB', '10.11.19')).toContain('10.11.20 or a later patch');
  });

  it('M23 let a backup be restored on its series and not on an older patch', () => {
    expect(serverMisfit('10.11.18', '10.11.19')).toBeUndefined();
    expect(serverMisfit('10.11.19', '10.11.18')).toContain('10.11.19 or a later patch');
    expect(serverMisfit('10.6.20', '10.11.19')).toContain('the backup is of 10.6.20');
    expect(serverMisfit('10.6.20', null)).toContain('missing');
  });
});
