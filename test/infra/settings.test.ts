import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Cron } from 'croner';
import { describe, expect, it } from 'vitest';
import { xtrabackupSettingsSchema } from '../../contract/records/tool-settings.ts';
import { scheduleCron } from '../../infra/schedule-cron.ts';
import { parseSettings } from '../../infra/settings.ts';
import { exampleSettings } from './synthesized.ts';

/** What the refusal of changed settings says; fails when they are taken. */
function refusal(change: (settings: ReturnType<typeof exampleSettings>) => void): string {
  const settings = exampleSettings();
  change(settings);
  try {
    parseSettings(settings);
  } catch (refused) {
    expect((refused as Error).name).toBe('Settings.Invalid');
    return (refused as Error).message;
  }
  throw new Error('these settings were taken');
}

describe('settings', () => {
  it('are taken as the example has them, defaults filled in', () => {
    const settings = parseSettings(exampleSettings());
    expect(settings.sites.away!.objectLockDays).toBe(3);
    expect(settings.policies[0]!.attempts).toBe(3);
    expect(settings.logRetentionDays).toBe(90);
  });

  it.each<[string, Parameters<typeof refusal>[0], string]>([
    [
      'an account',
      (s) => (s.sites.home!.account = '1234'),
      'sites.home.account: must be a 12-digit account id (is "1234")',
    ],
    [
      'a region',
      (s) => (s.control.region = 'Frankfurt'),
      'control.region: must be a region such as eu-central-1 (is "Frankfurt")',
    ],
    [
      'a bucket whose -tools would be too long',
      (s) => (s.sites.home!.bucket = 'b'.repeat(58)),
      'sites.home.bucket: must be 3 to 57',
    ],
    [
      'one bucket for two sites',
      (s) => (s.sites.away!.bucket = s.sites.home!.bucket),
      'sites.away.bucket: example-backups-eu-central-1 is used twice',
    ],
    [
      'a control at no site',
      (s) => (s.control.site = 'moon'),
      'control.site: is no site of these settings (home, away) (is "moon")',
    ],
    [
      'files that the tool packs and the runner once more',
      (s) => (s.policies[0]!.xtrabackup = xtrabackupSettingsSchema.parse({ compress: {} })),
      'policies[0].codec: must be none where xtrabackup.compress packs the files already',
    ],
    [
      'more streams than threads',
      (s) => (s.policies[0]!.xtrabackup = xtrabackupSettingsSchema.parse({ fifoStreams: 4 })),
      'policies[0].xtrabackup.fifoStreams: must not be more than toolThreads, which is 2',
    ],
    [
      'a site whose restore role would have too long a name',
      (s) => {
        s.installation = 'holdfast-production';
        s.sites['a-site-with-a-name-of-forty-characters-xx'.slice(0, 40)] = {
          ...s.sites.home!,
          bucket: 'another-bucket',
        };
      },
      'its restore role would be holdfast-production-restore-a-site-with-a-name-of-forty-characters-x, longer than the 64',
    ],
    [
      'copies, which nothing would make',
      (s) => (s.policies[0]!.copies = ['away']),
      'policies[0].copies: must be empty: this version makes no copies at other sites (is ["away"])',
    ],
    [
      'incrementals of a dump',
      (s) => Object.assign(s.policies[0]!, { method: 'logical', incrementals: {} }),
      'policies[0].incrementals: must be left out where the method is logical: a dump has none',
    ],
    [
      'no incremental at all, which is left out',
      (s) => (s.policies[0]!.incrementals = { most: 0 }),
      'policies[0].incrementals.most',
    ],
    [
      'hosts in another account than control',
      (s) => (s.hosts[1]!.account = '222222222222'),
      'hosts[1].account: must be the account of control, 111111111111 (is "222222222222")',
    ],
    [
      'the same place twice',
      (s) => (s.hosts[1] = { ...s.hosts[0]! }),
      'hosts[1]: 111111111111/eu-central-1 is used twice',
    ],
    [
      'the same policy twice',
      (s) => s.policies.push(s.policies[0]!),
      'policies[1].name: nightly is used twice',
    ],
    [
      'a zone',
      (s) => (s.policies[0]!.schedule.zone = 'Europe/Atlantis'),
      'policies[0].schedule.zone: must be an IANA time zone (is "Europe/Atlantis")',
    ],
    [
      'both day fields',
      (s) => (s.policies[0]!.schedule.cron = '0 2 1 * 1'),
      'policies[0].schedule.cron: "0 2 1 * 1" sets both day of month and weekday',
    ],
    [
      'a lock shorter than the longest backup and a day',
      (s) => (s.sites.home!.objectLockDays = 1),
      'sites.home.objectLockDays: must cover policy nightly: deadlineHours 24 + 24 (is 1)',
    ],
    [
      'an alarm address without https',
      (s) => (s.alarms = { urls: ['http://example.com/hook'] }),
      'alarms.urls[0]',
    ],
    [
      'a release that is no name of one',
      (s) => (s.runner = { release: 'v1.2.3' }),
      'runner.release: must be the name of a release: 64 hexadecimal digits in lower case (is "v1.2.3")',
    ],
    [
      'a release in capitals, which no key in the bucket has',
      (s) => (s.runner = { release: 'A'.repeat(64) }),
      'runner.release: must be the name of a release',
    ],
    [
      'an architecture that Node is not shipped for',
      (s) => Object.assign(s, { runner: { architectures: ['x64', 'riscv64'] } }),
      'runner.architectures[1]: Invalid option: expected one of "x64"|"arm64" (is "riscv64")',
    ],
    [
      'the same architecture twice',
      (s) => (s.runner = { architectures: ['x64', 'x64'] }),
      'runner.architectures: must not name one twice (is ["x64","x64"])',
    ],
    ['no architecture at all', (s) => (s.runner = { architectures: [] }), 'runner.architectures'],
    ['a key that nobody knows', (s) => Object.assign(s, { polices: [] }), 'Unrecognized key: "polices"'],
    [
      'a method that nobody knows',
      (s) => Object.assign(s.policies[0]!, { method: 'snapshot' }),
      'policies[0].method',
    ],
  ])('are refused for %s, with the path and the value', (_, change, said) => {
    expect(refusal(change)).toContain(said);
  });

  it('name every problem at once, a line each', () => {
    const said = refusal((s) => {
      s.control.site = 'moon';
      s.policies[0]!.copies = ['mars'];
    });
    expect(said.split('\n')).toHaveLength(2);
  });

  it('stop the synthesis with the file, the path and the value', () => {
    const root = join(import.meta.dirname, '../..');
    const run = () =>
      execFileSync(process.execPath, ['infra/app.ts'], {
        cwd: root,
        encoding: 'utf8',
        stdio: 'pipe',
        env: { CDK_CONTEXT_JSON: JSON.stringify({ settings: 'package.json' }) },
      });
    expect(run).toThrow(/Settings\.Invalid|package\.json[\s\S]*sites: /);
  });
});

describe('a cron of five fields', () => {
  it.each([
    ['0 2 * * *', 'cron(0 2 * * ? *)'],
    ['*/15 * * * *', 'cron(0,15,30,45 * * * ? *)'],
    ['5 1 1 * *', 'cron(5 1 1 * ? *)'],
    ['0 3 * * 0', 'cron(0 3 ? * SUN *)'],
    ['0 3 * * 7', 'cron(0 3 ? * SUN *)'],
    ['0 3 * * 1-5', 'cron(0 3 ? * MON,TUE,WED,THU,FRI *)'],
    ['0 3 * * 5-7', 'cron(0 3 ? * SUN,FRI,SAT *)'],
    ['0 3 * * mon,WED', 'cron(0 3 ? * MON,WED *)'],
    ['0 3 * JAN,jul *', 'cron(0 3 * 1,7 ? *)'],
    ['0 0-6/2,12 * * *', 'cron(0 0,2,4,6,12 * * ? *)'],
    ['0 1-5 * * *', 'cron(0 1-5 * * ? *)'],
    ['0 2 */1 * *', 'cron(0 2 * * ? *)'],
  ])('%s is %s to the Scheduler', (cron, expression) => {
    expect(scheduleCron(cron)).toBe(expression);
  });

  it.each([
    ['0 2 1 * 1', 'sets both'],
    ['60 2 * * *', 'minute "60" must lie between 0 and 59'],
    ['0 24 * * *', 'hour "24" must lie between 0 and 23'],
    ['0 2 0 * *', 'day of month "0"'],
    ['0 2 * 13 *', 'month "13"'],
    ['0 2 * * 8', 'weekday "8"'],
    ['0 2 L * *', 'day of month "L"'],
    ['0 2 * * 1#2', 'weekday "1#2"'],
    ['0 5-2 * * *', 'runs backwards'],
    ['0/5 * * * *', 'write a range'],
    ['*/0 * * * *', 'no number'],
    ['0 2 * *', 'five fields'],
  ])('%s is refused: %s', (cron, said) => {
    expect(() => scheduleCron(cron)).toThrow(said);
  });

  it('means the same weekdays to the functions that compute slots', () => {
    const slots = (cron: string) =>
      new Cron(cron, { timezone: 'UTC' }).nextRuns(7, new Date('2026-11-22T23:59:00Z'));
    expect(slots('0 3 * * 5-7').map((d) => d.getUTCDay())).toEqual([5, 6, 0, 5, 6, 0, 5]);
  });
});
