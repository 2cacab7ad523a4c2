import { describe, expect, it } from 'vitest';
import type { BreachKind, BreachRecord } from '../../../../functions/catalog/breach.ts';
import { breachKinds } from '../../../../functions/catalog/breach.ts';
import type { CoverageRecord } from '../../../../functions/catalog/coverage.ts';
import type { Tell } from '../../../../functions/coverage/evidence.ts';
import { judge, planAt } from '../../../../functions/coverage/judge.ts';
import { messagesOf } from '../../../../functions/coverage/message.ts';
import { dashboardLink, executionLink, machineLink } from '../../../../functions/env/console-links.ts';
import { aCluster, aCoverage, aPolicy } from '../../../doubles/records.ts';

const now = new Date('2026-11-24T02:30:00.000Z');
const place = {
  backupMachineArn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup',
  installation: 'holdfast',
  now,
};

const tellOf = (kind: BreachKind, clusterId: string, change: Partial<BreachRecord> = {}): Tell => {
  const cause = `no answer\n${'x'.repeat(280)}`;
  const coverage = aCoverage({
    clusterId,
    slots: [
      {
        slot: '20261124T0100Z',
        attempt: 3,
        state: 'failed',
        openedAt: '2026-11-24T01:30:00.000Z',
        error: { name: 'Host.Unreachable', cause },
      },
    ],
    unclaimed: { count: 201, first: [`s3://b/${clusterId}/backups/${'ü'.repeat(180)}`] },
  });
  const at = '2026-11-24T02:00:30.000Z';
  const plan = planAt('nightly', aPolicy(), now);
  return {
    breach: { v: 1, clusterId, kind, state: 'beginning', since: at, claimedAt: at, ...change },
    standing: judge(aCluster({ clusterId }), coverage, plan, new Set(), now),
    coverage,
    plan,
  };
};

describe('what the topic is told', () => {
  it.each(breachKinds)(
    'of %s fits into what SNS takes, one by one and as a storm of the whole fleet',
    (kind) => {
      const longest = (i: number) => `${i}`.padEnd(40, 'c');
      for (const state of ['beginning', 'clearing'] as const) {
        const change = { state, clearedAt: now.toISOString(), why: 'it is over' };
        const tells = Array.from({ length: 300 }, (_, i) => tellOf(kind, longest(i), change));
        const messages = [...messagesOf(tells.slice(0, 5), place), ...messagesOf(tells, place)];
        expect(messages).toHaveLength(6);
        for (const { message } of messages) {
          expect(message.subject).toMatch(/^[\x20-\x7e]{1,99}$/);
          expect(Buffer.byteLength(message.body)).toBeLessThan(64 * 1024);
          expect(message.attributes).toMatchObject({
            breach: kind,
            phase: state === 'beginning' ? 'began' : 'cleared',
          });
        }
        expect(messages.at(-1)?.tells).toHaveLength(300);
      }
    },
  );

  it('has one line per fact, whatever a cause brings along', () => {
    const [{ message } = { message: { body: '' } }] = messagesOf([tellOf('failed', 'orders')], place);
    expect(message.body.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'cluster',
      'breach',
      'since',
      'last',
      'due',
      'policy',
      'why',
      'what',
      'execution',
      'executions',
      'dashboard',
      '',
    ]);
    expect(message.body).toContain('Host.Unreachable: no answer xxx');
  });

  it.each(breachKinds)('is text that the topic takes, whatever a host has put into it: %s', (kind) => {
    const hostile = '\u0000\u001b[31m\ufffe \ud83d';
    const { coverage, ...tell } = tellOf(kind, 'orders', { why: hostile });
    const fact = { ...coverage!.counted!, why: hostile };
    const slots = coverage!.slots.map((slot) => ({ ...slot, error: { name: hostile, cause: hostile } }));
    const told = {
      ...coverage!,
      slots,
      lost: fact,
      suspect: fact,
      unclaimed: { count: 1, first: [hostile] },
    };
    const standing = judge(aCluster({ clusterId: 'orders' }), told, tell.plan!, new Set(), now);
    for (const { message } of messagesOf([{ ...tell, coverage: told, standing }], place)) {
      expect(message.body).toContain('?[31m');
      expect(message.body).not.toMatch(/[^\P{Cc}\n]|\p{Cn}/u);
      expect(() => encodeURIComponent(message.body)).not.toThrow();
    }
  });

  it('has one message for all of a kind where many of it stand already: a storm may come by and by', () => {
    const tells = [tellOf('overdue', 'a'), tellOf('overdue', 'b'), tellOf('suspect', 'c')];
    const subjects = (standing: number) =>
      messagesOf(tells, place, new Map([['overdue' as const, standing]])).map(
        ({ message }) => message.subject.split(',')[0],
      );
    expect(subjects(19)).toHaveLength(3);
    expect(subjects(20)).toEqual([
      'holdfast: 2 clusters are overdue: a and 1 more',
      'holdfast: c has a suspect backup',
    ]);
  });

  it('says of an overdue cluster what its due slot knows, or that nobody started it', () => {
    const { coverage, ...tell } = tellOf('overdue', 'orders');
    const why = (change: Partial<CoverageRecord>) =>
      /^why +(.*)$/m.exec(
        messagesOf([{ ...tell, coverage: aCoverage(change) }], place)[0]?.message.body ?? '',
      )?.[1];
    const slot = { ...coverage!.slots[0]!, error: undefined };
    expect(why({ slots: [slot] })).toBe('attempt 3 of 3 for slot 20261124T0100Z: it is failed');
    expect(why({ slots: [] })).toBe('no attempt for slot 20261124T0100Z was ever started');
    const later = { ...slot, slot: '20261125T0100Z', state: 'open' as const };
    expect(why({ slots: [later] })).toBe('no attempt for slot 20261124T0100Z was ever started');
    const suspect = { ...aCoverage().counted!, state: 'suspect' as const, why: 'half its size' };
    expect(why({ slots: [{ ...slot, state: 'recorded' as const }], suspect })).toMatch(/half its size$/);
  });

  it('keeps kinds and phases apart, however many there are of each', () => {
    const over = { state: 'clearing' as const, clearedAt: now.toISOString(), why: 'backed up' };
    const tells = [
      ...Array.from({ length: 6 }, (_, i) => tellOf('overdue', `a${i}`)),
      ...Array.from({ length: 6 }, (_, i) => tellOf('overdue', `b${i}`, over)),
      tellOf('suspect', 'c'),
    ];
    expect(messagesOf(tells, place).map(({ message }) => message.subject)).toEqual([
      'holdfast: 6 clusters are overdue: a0 and 5 more',
      'holdfast: 6 clusters cleared: overdue: b0 and 5 more',
      'holdfast: c has a suspect backup, last good backup 2026-11-23 01:00Z',
    ]);
  });
});

describe('a link to the console', () => {
  it.each([
    ['aws', 'eu-central-1', 'https://eu-central-1.console.aws.amazon.com/'],
    ['aws-cn', 'cn-north-1', 'https://cn-north-1.console.amazonaws.cn/'],
    ['aws-us-gov', 'us-gov-west-1', 'https://console.amazonaws-us-gov.com/'],
  ])('of partition %s leads to its own console', (partition, region, begins) => {
    const machine = `arn:${partition}:states:${region}:111122223333:stateMachine:holdfast-backup`;
    const execution = `arn:${partition}:states:${region}:111122223333:execution:holdfast-backup:shop-1`;
    expect(executionLink(execution)).toBe(
      `${begins}states/home?region=${region}#/v2/executions/details/${execution}`,
    );
    expect(machineLink(machine)).toBe(
      `${begins}states/home?region=${region}#/statemachines/view/${encodeURIComponent(machine)}`,
    );
    expect(dashboardLink(machine, 'holdfast')).toBe(
      `${begins}cloudwatch/home?region=${region}#dashboards/dashboard/holdfast`,
    );
  });
});
