import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ApiCall,
  type Counts,
  countCalls,
  driftedFrom,
  transitionsOf,
} from '../../bench/cost/counts.ts';
import { billOf, costDocument } from '../../bench/cost/document.ts';

const project = join(import.meta.dirname, '../../..');
const recorded = JSON.parse(readFileSync(join(project, 'test/bench/cost/recorded.json'), 'utf8')) as Counts;

const call = (service: string, eventName: string, more: Partial<ApiCall> = {}): ApiCall => ({
  eventSource: `${service}.amazonaws.com`,
  eventName,
  userAgent: 'x',
  requestParameters: null,
  resources: [],
  ...more,
});

describe('docs/cost.md', () => {
  it('is what the recorded counts and the prices give', () => {
    expect(readFileSync(join(project, 'docs/cost.md'), 'utf8')).toBe(costDocument(recorded));
  });

  it('tells of a backup with at most 20 state transitions', () => {
    expect(recorded.transitions.backup).toBeGreaterThan(0);
    expect(recorded.transitions.backup).toBeLessThanOrEqual(20);
  });

  it('bills an item of a transaction twice, and a volume apart from the other puts', () => {
    const counts: Counts = {
      ...recorded,
      ...countCalls([
        call('dynamodb', 'UpdateItem'),
        call('dynamodb', 'TransactWriteItems', { requestParameters: { TransactItems: [{}, {}] } }),
        call('s3', 'PutObject', { resources: [{ ResourceName: 'shop/backups/b/volumes/main/000000' }] }),
        call('s3', 'PutObject', { resources: [{ ResourceName: 'shop/backups/b/manifest.json' }] }),
      ]),
    };
    expect(counts.volumePuts).toBe(1);
    const bill = Object.fromEntries(billOf(counts).map(({ what, count }) => [what, count]));
    expect(bill['DynamoDB, write units']).toBe((1 + 2 * 2) * 3);
    expect(bill['S3, puts and lists besides volumes']).toBe(1);
  });
});

describe('counts that are taken again', () => {
  it('hold while only what follows the clock differs by a little', () => {
    const beats = { ...recorded, requests: { ...recorded.requests, 'dynamodb:UpdateItem': 17 } };
    const fewer = { ...recorded, requests: { ...recorded.requests, 'dynamodb:UpdateItem': 15 } };
    expect(driftedFrom(beats, fewer)).toEqual([]);
  });

  it('do not hold when a state, a call of a function or a kind of request is new', () => {
    const now: Counts = {
      ...recorded,
      transitions: { ...recorded.transitions, backup: recorded.transitions.backup + 1 },
      invocations: { ...recorded.invocations, 'holdfast-new': 1 },
      requests: { ...recorded.requests, 'sns:Publish': 1 },
    };
    expect(driftedFrom(recorded, now)).toEqual([
      `transitions of Backup: ${recorded.transitions.backup} then, ${recorded.transitions.backup + 1} now`,
      'holdfast-new: 0 then, 1 now',
      'sns:Publish: 0 then, 1 now',
    ]);
  });

  it('count each state that was entered, of whatever type', () => {
    const types = [
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'ChoiceStateEntered',
      'ChoiceStateExited',
    ];
    expect(transitionsOf(types)).toBe(2);
  });
});
