import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  flat,
  listOf,
  ofType,
  type Statement,
  statementsOf,
  synthesized,
  type Template,
} from './synthesized.ts';

/** Who may do what, whole and exact: a right that is added or lost shows as a difference to these files. */
const expected = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'expected', `${name}.json`), 'utf8')) as unknown;

const stacks = synthesized();
const site = stacks['holdfast-site-home']!;
const control = stacks['holdfast-control']!;
const hosts = stacks['holdfast-hosts-111111111111-eu-central-1']!;

/** The one resource of a type whose id begins so, flattened. */
function one(template: Template, type: string, begins = ''): Record<string, unknown> {
  const found = ofType(template, type).filter(([id]) => id.startsWith(begins));
  expect(found).toHaveLength(1);
  return flat(found[0]![1].Properties) as Record<string, unknown>;
}

const roleNames = (template: Template) =>
  ofType(template, 'AWS::IAM::Role').map(([, r]) => r.Properties.RoleName as string);

function role(template: Template, name: string) {
  const found = ofType(template, 'AWS::IAM::Role').find(([, r]) => r.Properties.RoleName === name)!;
  const { AssumeRolePolicyDocument: trust } = flat(found[1].Properties) as {
    AssumeRolePolicyDocument: { Statement: unknown };
  };
  return { trust: trust.Statement, rights: statementsOf(template, name) };
}

describe('a host', () => {
  it('has exactly the rights of the design', () => {
    expect(role(hosts, 'holdfast-host')).toEqual(expected('host-role'));
  });

  it('reads nothing but the files of its release', () => {
    const { rights } = role(hosts, 'holdfast-host');
    const reads = rights.filter((s) => listOf(s.Action).includes('s3:GetObject'));
    expect(reads.flatMap((s) => listOf(s.Resource))).toEqual([
      'arn:aws:s3:::cdk-hnb659fds-assets-111111111111-eu-central-1/<release>-*',
      'arn:aws:s3:::cdk-hnb659fds-assets-111111111111-eu-west-1/<release>-*',
    ]);
  });

  it('cannot list, read, overwrite, decrypt or delete, and sees its own job rows only', () => {
    const { rights } = role(hosts, 'holdfast-host');
    const actions = rights.filter((s) => s.Effect === 'Allow').flatMap((s) => listOf(s.Action));
    expect(actions.filter((a) => /^(s3|kms|dynamodb|secretsmanager):/.test(a)).toSorted()).toEqual([
      'dynamodb:GetItem',
      'dynamodb:UpdateItem',
      'kms:GenerateDataKey',
      'kms:GenerateDataKey',
      's3:GetObject',
      's3:PutObject',
      'secretsmanager:GetSecretValue',
    ]);
  });
});

describe('a site', () => {
  it('has exactly this policy on its bucket', () => {
    expect(one(site, 'AWS::S3::BucketPolicy', 'Backups').PolicyDocument).toEqual(
      expected('site-bucket-policy'),
    );
  });

  it('has exactly this policy on its tools bucket', () => {
    expect(one(site, 'AWS::S3::BucketPolicy', 'Tools').PolicyDocument).toEqual(
      expected('tools-bucket-policy'),
    );
  });

  it('has exactly this policy on its key', () => {
    expect(one(site, 'AWS::KMS::Key').KeyPolicy).toEqual(expected('site-key-policy'));
  });

  it('lets the broker alone assume its restore role, which only reads', () => {
    expect(role(site, 'holdfast-restore-home')).toEqual(expected('restore-role'));
  });

  it('names no role as principal: one that is not deployed yet would be refused', () => {
    for (const name of ['site-bucket-policy', 'site-key-policy', 'tools-bucket-policy']) {
      const { Statement: statements } = expected(name) as { Statement: { Principal: unknown }[] };
      for (const { Principal: principal } of statements)
        expect(JSON.stringify(principal)).not.toContain(':role/');
    }
  });
});

describe('control', () => {
  it('gives each role exactly these rights', () => {
    const short = (name: string) => name.replace(/^holdfast-|-eu-central-1$/g, '');
    const rights = roleNames(control).map((name) => [
      short(name),
      statementsOf(control, name).filter((s) => !listOf(s.Action).some((a) => a.startsWith('logs:'))),
    ]);
    expect(Object.fromEntries(rights)).toEqual(expected('control-roles'));
  });

  it('lets retention alone delete, and that without reading a byte or going around a lock', () => {
    const deleters = roleNames(control).filter((name) =>
      statementsOf(control, name).some((s) => listOf(s.Action).some((a) => /^s3:.*Delete/.test(a))),
    );
    expect(deleters).toEqual(['holdfast-retention-eu-central-1']);
    const s3 = statementsOf(control, deleters[0]!)
      .flatMap((s) => listOf(s.Action))
      .filter((a) => a.startsWith('s3:'));
    expect(s3.toSorted()).toEqual([
      's3:DeleteObjectVersion',
      's3:GetObjectRetention',
      's3:ListBucketVersions',
    ]);
  });

  it('reaches hosts through the dispatch role alone', () => {
    expect(role(hosts, 'holdfast-dispatch')).toEqual(expected('dispatch-role'));
  });

  it('lets CloudWatch of this account, EventBridge and SNS use the key of alarms, and says at the queue whose messages it takes', () => {
    expect(one(control, 'AWS::KMS::Key', 'AlarmChannel').KeyPolicy).toEqual(expected('alarm-key-policy'));
    expect(one(control, 'AWS::SNS::TopicPolicy').PolicyDocument).toEqual(expected('alarm-topic-policy'));
    expect(one(control, 'AWS::SQS::QueuePolicy').PolicyDocument).toEqual(expected('dead-letters-policy'));
  });

  it('holds EventBridge to its own bus with the key of that bus, and whoever puts events needs no key', () => {
    expect(one(control, 'AWS::KMS::Key', 'Events').KeyPolicy).toEqual(expected('bus-key-policy'));
    expect(one(control, 'AWS::Events::EventBus')).toMatchObject({
      KmsKeyIdentifier: expect.stringMatching(/^<EventsKey/),
      DeadLetterConfig: { Arn: expect.stringContaining('DeadLetters') },
    });
    const publisher = statementsOf(control, 'holdfast-publish-eu-central-1');
    expect(publisher.flatMap((s) => listOf(s.Action)).filter((a) => !a.startsWith('logs:'))).toEqual([
      'events:PutEvents',
    ]);
  });

  it('seals topic, queue and bus with keys of its own', () => {
    expect(one(control, 'AWS::SNS::Topic').KmsMasterKeyId).toMatch(/^<AlarmChannelKey/);
    expect(one(control, 'AWS::SQS::Queue').KmsMasterKeyId).toMatch(/^<AlarmChannelKey/);
  });

  it('keeps its scratch bucket to itself', () => {
    expect(one(control, 'AWS::S3::BucketPolicy').PolicyDocument).toEqual(expected('scratch-bucket-policy'));
  });
});

describe('operators', () => {
  const policies = Object.fromEntries(
    ofType(control, 'AWS::IAM::ManagedPolicy').map(([, r]) => {
      const { ManagedPolicyName: name, PolicyDocument: document } = flat(r.Properties) as {
        ManagedPolicyName: string;
        PolicyDocument: { Statement: Statement[] };
      };
      return [name.replace(/^holdfast-|-eu-central-1$/g, ''), document.Statement];
    }),
  );
  const actions = (name: string) => policies[name]!.flatMap((s) => listOf(s.Action));

  it('are given exactly these policies', () => {
    expect(policies).toEqual(expected('operator-policies'));
  });

  it('change nothing when they look, and never touch an object, a task or a role', () => {
    const verbs = actions('look').map((a) => a.split(':')[1]!);
    expect(verbs.filter((v) => !/^(Get|List|Describe|Query|Filter)/.test(v))).toEqual(['InvokeFunction']);
    const invoked = policies.look!.filter((s) => listOf(s.Action).includes('lambda:InvokeFunction'));
    expect(invoked.flatMap((s) => listOf(s.Resource)).map((arn) => arn.split(':').at(-1))).toEqual([
      'holdfast-show-window',
    ]);
    const all = ['look', 'operate', 'restore'].flatMap(actions);
    expect(all.filter((a) => a.includes('*') || /^s3:|^sts:|^iam:|SendTask/.test(a))).toEqual([]);
  });

  it('restore only where they were given that', () => {
    const starts = (name: string) =>
      policies[name]!.filter((s) => listOf(s.Action).includes('states:StartExecution'))
        .flatMap((s) => listOf(s.Resource))
        .map((arn) => arn.split(':').at(-1));
    expect(starts('look')).toEqual([]);
    expect(starts('operate')).toEqual(['holdfast-fleet-backup', 'holdfast-backup']);
    expect(starts('restore')).toEqual(['holdfast-restore']);
  });
});

describe('every role', () => {
  const all = Object.values(stacks).flatMap((t) => roleNames(t).map((name) => [name, t] as const));

  it.each(all)('%s allows no action by wildcard, and holds no managed policy', (name, template) => {
    const { Properties } = ofType(template, 'AWS::IAM::Role').find(
      ([, r]) => r.Properties.RoleName === name,
    )![1];
    expect(Properties.ManagedPolicyArns).toBeUndefined();
    const allowed = statementsOf(template, name).filter((s: Statement) => s.Effect === 'Allow');
    expect(allowed.flatMap((s) => listOf(s.Action)).filter((a) => a.includes('*'))).toEqual([]);
    expect(allowed.filter((s) => s.NotAction)).toEqual([]);
    // 10,240 characters is what inline policies of one role may have together.
    expect(JSON.stringify(statementsOf(template, name)).length).toBeLessThan(10_240);
  });

  it('has a name of its own in its account', () => {
    const names = all.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(['site-bucket-policy', 'tools-bucket-policy'])(
    '%s is below the 20 KB of a bucket policy',
    (name) => {
      expect(JSON.stringify(expected(name)).length).toBeLessThan(20_480);
    },
  );
});
