import { describe, expect, it } from 'vitest';
import { findSecrets, type Place, type Secret } from '../../../../infra/local/scan/find-secrets.ts';

const password: Secret = { name: 'password of a database account', value: `p'w "d" é/+` };
const token: Secret = { name: 'task token', value: 'AQCEAAAAKgAAAAMAAAAA' };
const identity: Secret = { name: 'identity of a local host', value: '0f'.repeat(24) };
const at = (kind: Place['kind'], text: string, where = 'here'): Place => ({ kind, where, text });

describe('the search for secrets', () => {
  it.each([
    password.value,
    JSON.stringify({ password: password.value }),
    JSON.stringify({ input: JSON.stringify({ password: password.value }) }),
    `mysql://root:${encodeURIComponent(password.value)}@localhost`,
    Buffer.from(password.value).toString('base64'),
  ])('finds one as %s', (text) => {
    expect(findSecrets([at('log of a runner', `before ${text} after`)], [password])).toEqual([
      'password of a database account in log of a runner here',
    ]);
  });

  it('tells where, and never what', () => {
    const [found] = findSecrets([at('argument', password.value)], [password]);
    expect(found).not.toContain(password.value);
    expect(findSecrets([at('argument', 'nothing')], [password])).toEqual([]);
  });

  it('lets a token be in a history and in a job’s row, and nowhere else', () => {
    const row = at('row', token.value, 'holdfast-jobs AROA:mi-0a job#1');
    expect(findSecrets([at('history', token.value), row], [token])).toEqual([]);
    const others = [at('row', token.value, 'holdfast-catalog ORDER#1 ORDER'), at('execution', token.value)];
    expect(findSecrets(others, [token])).toHaveLength(2);
  });

  it('lets a local host’s identity be in its environment file, its launcher and its runner, and nowhere else', () => {
    const right = [
      at('file of a host', identity.value, '/var/tmp/h/etc/environment'),
      at('environment', identity.value, '/h/bin/node /h/lib/runner.mjs run job-1'),
      at('environment', identity.value, '/bin/sh /h/bin/holdfast-launch job-1'),
    ];
    expect(findSecrets(right, [identity])).toEqual([]);
    const wrong = [
      at('environment', identity.value, 'mariadb-backup --backup'),
      at('argument', identity.value, '/h/bin/node /h/lib/runner.mjs run job-1'),
      at('file of a host', identity.value, '/var/tmp/h/log/job-1.log'),
    ];
    expect(findSecrets(wrong, [identity])).toHaveLength(3);
  });
});
