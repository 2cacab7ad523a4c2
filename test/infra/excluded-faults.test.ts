import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bundleFunctions } from '../../infra/control/bundle-functions.ts';
import { parseSettings } from '../../infra/settings.ts';
import { bundleRunner } from '../../runner/bundle.ts';
import {
  exampleSettings,
  flat,
  listOf,
  ofType,
  type Statement,
  statementsOf,
  synthesized,
} from './synthesized.ts';

/** Faults of docs/faults.md that cannot happen here, each with what keeps it so. */

const work = mkdtempSync(join(tmpdir(), 'holdfast-excluded-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const settings = parseSettings(exampleSettings());
const templates = synthesized();
const ofTypeEverywhere = (type: string) =>
  Object.values(templates).flatMap((template) => ofType(template, type).map(([, resource]) => resource));

/** Every statement of every role of ours. */
const statements = ofTypeEverywhere('AWS::IAM::Policy').flatMap(
  (policy) => flat(policy.Properties.PolicyDocument.Statement) as Statement[],
);
const actions = [...new Set(statements.flatMap((s) => listOf(s.Action)))];

/** Commands of the S3 client that a function's bundle has: esbuild keeps their names and leaves out those that nobody calls. */
const s3Commands = (text: string) =>
  [...text.matchAll(/"((?:\w*Object\w*|\w*Upload\w*|\w*Bucket\w*)Command)"/g)].map(([, name]) => name!);

describe('a multipart upload', () => {
  it('cannot begin: no bundle of a function has more of S3 than put, get, head, list and delete (F25, F28, F32)', () => {
    const has = [...bundleFunctions(resolve(import.meta.dirname, '../..')).values()].map((directory) =>
      s3Commands(readFileSync(join(directory, 'index.mjs'), 'utf8')),
    );
    const used = [...new Set(has.flat())].toSorted();
    // HeadBucket belongs to the SDK's own session and region lookups.
    expect(used).toEqual([
      'DeleteObjectCommand',
      'GetObjectCommand',
      'GetObjectRetentionCommand',
      'HeadBucketCommand',
      'HeadObjectCommand',
      'ListObjectVersionsCommand',
      'ListObjectsV2Command',
      'PutObjectCommand',
    ]);
  });

  it('cannot begin: the runner knows no such request (F25, F28, F32)', async () => {
    const { file } = await bundleRunner(join(work, 'runner.mjs'));
    expect(readFileSync(file, 'utf8')).not.toMatch(
      /MultipartUpload|UploadPart|[?&]uploads\b|uploadId|partNumber/,
    );
  });

  it('could not be ended by a host, which may not decrypt, and no role may look after one (F25, F28, F32)', () => {
    expect(actions.filter((action) => /Multipart|UploadPart/.test(action))).toEqual([]);
    // On AWS the end of a multipart upload under a KMS key needs kms:Decrypt.
    const host = statementsOf(templates['holdfast-hosts-111111111111-eu-central-1']!, 'holdfast-host');
    const its = host.flatMap((s) => listOf(s.Action));
    expect(its).toEqual(expect.arrayContaining(['s3:PutObject', 'kms:GenerateDataKey']));
    expect(its).not.toContain('kms:Decrypt');
  });

  it('of somebody else is ended by the bucket after seven days (F32)', () => {
    const kept = ofTypeEverywhere('AWS::S3::Bucket').filter((b) => b.Properties.ObjectLockEnabled);
    expect(kept.length).toBeGreaterThan(1);
    for (const bucket of kept)
      expect(bucket.Properties.LifecycleConfiguration.Rules).toContainEqual(
        expect.objectContaining({
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
          Status: 'Enabled',
        }),
      );
  });
});

describe('a lock that ends before its backup may go', () => {
  it('is refused by the settings, for every policy and site (F34)', () => {
    for (const hours of [1, 24, 47]) {
      const days = Math.ceil((hours + 24) / 24);
      const withLock = (objectLockDays: number) => {
        const input = exampleSettings();
        for (const site of Object.values(input.sites)) site.objectLockDays = objectLockDays;
        for (const policy of input.policies) policy.deadlineHours = hours;
        return () => parseSettings(input);
      };
      expect(withLock(days)).not.toThrow();
      if (days > 1) expect(withLock(days - 1)).toThrow(/objectLockDays: must cover policy/);
    }
  });

  it('is set on the bucket of every site, for the days of the settings (F34)', () => {
    const days = ofTypeEverywhere('AWS::S3::Bucket').flatMap((bucket) => {
      const rule = bucket.Properties.ObjectLockConfiguration?.Rule;
      return rule ? [rule.DefaultRetention] : [];
    });
    expect(days).toEqual(
      Object.values(settings.sites).map((site) => ({ Mode: expect.any(String), Days: site.objectLockDays })),
    );
  });
});

describe('an object under another key', () => {
  it('is denied to everybody by every bucket that keeps backups (F35)', () => {
    const policies = ofTypeEverywhere('AWS::S3::BucketPolicy').map(
      (policy) => flat(policy.Properties.PolicyDocument.Statement) as Statement[],
    );
    const kept = policies.filter((policy) => policy.some((s) => s.Sid === 'NobodyBypassesLocks'));
    expect(kept).toHaveLength(2 * Object.keys(settings.sites).length);
    const customer = 's3:x-amz-server-side-encryption-customer-algorithm';
    const keyId = 's3:x-amz-server-side-encryption-aws-kms-key-id';
    for (const policy of kept) {
      const denied = policy.filter((s) => s.Effect === 'Deny' && listOf(s.Action).includes('s3:PutObject'));
      // A key of the writer's own, which the store does not keep: the header must be absent.
      expect(denied.map((s) => s.Condition)).toContainEqual({ Null: { [customer]: 'false' } });
      const otherKey = denied.find((s) => s.Sid === 'NoOtherKey');
      expect(otherKey).toMatchObject({
        Resource: expect.stringMatching(/^arn:aws:s3:::.*\/\*$/),
        Condition: {
          Null: { [keyId]: 'false' },
          StringNotEquals: { [keyId]: expect.stringMatching(/^<SiteKey.*\.Arn>$/) },
        },
      });
    }
  });

  it('is not asked for by the runner, which leaves the key to the bucket (F35)', () => {
    expect(readFileSync(join(work, 'runner.mjs'), 'utf8')).not.toMatch(/server-side-encryption/);
  });
});
