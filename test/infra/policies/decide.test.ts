import { describe, expect, it } from 'vitest';
import { decide, type PolicyStatement } from './decide.ts';

// The other tests of policies are worth what this evaluator is: each rule here is one of the IAM User Guide
// (policy evaluation logic; condition operators, "set operators for multivalued context keys").
const account = '111111111111';
const principal = `arn:aws:iam::${account}:role/some`;
const allow = (more: Partial<PolicyStatement> = {}): PolicyStatement => ({
  Effect: 'Allow',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::a/*',
  ...more,
});
const get = { principal, action: 's3:GetObject', resource: 'arn:aws:s3:::a/b' };
const when = (condition: object, context: Record<string, string | string[]>) =>
  decide({ ...get, context }, { identity: [allow({ Condition: condition })], owner: account }) === 'allowed';

describe('the evaluator of policies', () => {
  it('allows what a statement allows, by patterns, actions without regard to case', () => {
    expect(decide(get, { identity: [allow({ Action: 'S3:get*' })], owner: account })).toBe('allowed');
    expect(decide(get, { identity: [allow({ Resource: 'arn:aws:s3:::A/*' })], owner: account })).toBe(
      'not allowed',
    );
    expect(decide(get, { identity: [allow({ Resource: 'arn:aws:s3:::a' })], owner: account })).toBe(
      'not allowed',
    );
    expect(decide(get, { identity: [], owner: account })).toBe('not allowed');
  });

  it('lets a denial anywhere win, and names it', () => {
    const { Action: _, ...rest } = allow({ Effect: 'Deny', Sid: 'No', Principal: '*' });
    const deny = { ...rest, NotAction: 's3:PutObject' };
    expect(decide(get, { identity: [allow()], resource: [deny], owner: account })).toBe('denied: No');
    expect(decide(get, { identity: [allow(), deny], owner: account })).toBe('denied: No');
    const { Resource: __, ...anywhere } = allow({ Effect: 'Deny', Principal: '*' });
    const elsewhere = { ...anywhere, NotResource: 'arn:aws:s3:::a/*' };
    expect(decide(get, { identity: [allow()], resource: [elsewhere], owner: account })).toBe('allowed');
  });

  it('takes both policies across accounts, the role’s own within one, and always both for keys and roles', () => {
    const root = allow({ Principal: { AWS: `arn:aws:iam::${account}:root` } });
    const other = '222222222222';
    expect(decide(get, { identity: [allow()], owner: other })).toBe('not allowed');
    expect(decide(get, { identity: [allow()], resource: [root], owner: other })).toBe('allowed');
    expect(decide(get, { identity: [], resource: [root], owner: account })).toBe('not allowed');
    expect(
      decide(get, { identity: [], resource: [allow({ Principal: { AWS: principal } })], owner: account }),
    ).toBe('allowed');
    const closed = { identity: [allow()], owner: account, resourceMustAllow: true };
    expect(decide(get, closed)).toBe('not allowed');
    expect(decide(get, { ...closed, resource: [root] })).toBe('allowed');
  });

  it('narrows a role by its session', () => {
    const wide = { identity: [allow()], owner: account };
    expect(decide(get, { ...wide, session: [] })).toBe('not allowed');
    expect(decide(get, { ...wide, session: [allow({ Resource: 'arn:aws:s3:::a/b' })] })).toBe('allowed');
    expect(decide(get, { identity: [], session: [allow()], owner: account })).toBe('not allowed');
  });

  it('reads conditions without a key as IAM does', () => {
    expect(when({ StringEquals: { k: 'x' } }, {})).toBe(false);
    expect(when({ StringNotEquals: { k: 'x' } }, {})).toBe(true);
    expect(when({ 'ForAllValues:StringEquals': { k: 'x' } }, {})).toBe(true);
    expect(when({ 'ForAnyValue:StringEquals': { k: 'x' } }, {})).toBe(false);
    expect(when({ Null: { k: 'true' } }, {})).toBe(true);
    expect(when({ Null: { k: 'false' } }, {})).toBe(false);
  });

  it('takes wanted values as alternatives, and of a negated operator all of them', () => {
    expect(when({ StringEquals: { k: ['x', 'y'] } }, { K: 'y' })).toBe(true);
    expect(when({ StringNotEquals: { k: ['x', 'y'] } }, { k: 'y' })).toBe(false);
    expect(when({ ArnNotEquals: { k: ['arn:x', 'arn:y*'] } }, { k: 'arn:yes' })).toBe(false);
    expect(when({ NumericLessThan: { k: 1.2 } }, { k: '1.1' })).toBe(true);
    expect(when({ Bool: { k: 'false' } }, { k: 'true' })).toBe(false);
  });

  it('compares sets: all of them, or any', () => {
    expect(when({ 'ForAllValues:StringEquals': { k: 'x' } }, { k: ['x', 'x'] })).toBe(true);
    expect(when({ 'ForAllValues:StringEquals': { k: 'x' } }, { k: ['x', 'y'] })).toBe(false);
    expect(when({ 'ForAnyValue:StringEquals': { k: 'x' } }, { k: ['x', 'y'] })).toBe(true);
  });

  it('puts values of the request for policy variables; without one the statement does not apply', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of IAM
    const own = { StringEquals: { k: '${aws:userid}' } };
    expect(when(own, { k: 'A:b', 'aws:userid': 'A:b' })).toBe(true);
    expect(when(own, { k: 'A:b', 'aws:userid': 'A:c' })).toBe(false);
    expect(when(own, { k: '' })).toBe(false);
  });

  it('refuses to guess at an operator that it does not know', () => {
    expect(() => when({ IpAddress: { k: '10.0.0.0/8' } }, { k: '10.0.0.1' })).toThrow('IpAddress');
  });
});
