import { describe, expect, it } from 'vitest';
import {
  formatClientOptions,
  parseClientOptions,
  quoteOption,
} from '../../../../../runner/engines/mysql/option-file.ts';

describe('an option file of the host', () => {
  it('is read from the sections that a client or the backup tool would read, a later line winning', () => {
    const text = `
      # comment
      [mysqld]
      user = server
      [client]
      user = backup   # who
      password = 'it''s'
      !includedir /etc/mysql/conf.d
      [mariadb-backup]
      password = "a # b"
      port = 3307
      socket=/run/s.sock`;
    expect(parseClientOptions(text)).toEqual({
      user: 'backup',
      password: 'a # b',
      port: 3307,
      socket: '/run/s.sock',
    });
  });

  it('is refused where it would have to hold a NUL byte, which ends a value for its readers', () => {
    expect(() => quoteOption('a\0b')).toThrow(RangeError);
  });

  it('holds one section and one line per option, whatever the values', () => {
    expect(formatClientOptions({ user: 'a\n[mysqld]', password: '#' })).toBe(
      '[client]\nuser="a\\n[mysqld]"\npassword="#"\n',
    );
  });
});
