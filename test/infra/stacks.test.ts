import { describe, expect, it } from 'vitest';
import { policySchema } from '../../contract/records/policy.ts';
import { exampleSettings, flat, ofType, synthesized, type Template } from './synthesized.ts';

const stacks = synthesized();
const site = stacks['holdfast-site-home']!;
const control = stacks['holdfast-control']!;
const hosts = stacks['holdfast-hosts-111111111111-eu-central-1']!;
const all = Object.entries(stacks);
const only = (template: Template, type: string) => ofType(template, type).map(([, r]) => r.Properties);

describe('the stacks', () => {
  it('are one per site, one control, one per place with hosts', () => {
    expect(Object.keys(stacks).toSorted()).toEqual([
      'holdfast-control',
      'holdfast-hosts-111111111111-eu-central-1',
      'holdfast-hosts-111111111111-eu-west-1',
      'holdfast-site-away',
      'holdfast-site-home',
    ]);
  });

  it.each(all)('%s shares nothing but names: no exports, imports or custom resources', (_, template) => {
    expect(Object.values(template.Outputs ?? {}).filter((o) => 'Export' in o)).toEqual([]);
    expect(JSON.stringify(template)).not.toMatch(/Fn::ImportValue|Fn::GetStackOutput/);
    const types = Object.values(template.Resources).map((r) => r.Type);
    expect(
      types.filter((t) => t.startsWith('Custom::') || t === 'AWS::CloudFormation::CustomResource'),
    ).toEqual([]);
    expect(types.length).toBeLessThan(500);
  });

  it('keep the logical ids of what must never be replaced', () => {
    const kept = all.flatMap(([stack, template]) =>
      Object.entries(template.Resources)
        .filter(([, r]) => /^AWS::(S3::Bucket|KMS::Key|DynamoDB::GlobalTable)$/.test(r.Type))
        .map(([id, r]) => `${stack} ${id} ${r.DeletionPolicy} ${r.UpdateReplacePolicy}`),
    );
    expect(kept.toSorted()).toEqual([
      'holdfast-control AlarmChannelKey67CC2724 Retain Retain',
      'holdfast-control EventsKey1BC2C457 Retain Retain',
      'holdfast-control ScratchBucket87A36B97 Retain Retain',
      'holdfast-control TablesCatalogA41E506D Retain Retain',
      'holdfast-control TablesJobs313634AE Retain Retain',
      'holdfast-site-away BackupsBucket2936A3AA Retain Retain',
      'holdfast-site-away SiteKey6696186D Retain Retain',
      'holdfast-site-away ToolsBucketC561ADC0 Retain Retain',
      'holdfast-site-home BackupsBucket2936A3AA Retain Retain',
      'holdfast-site-home SiteKey6696186D Retain Retain',
      'holdfast-site-home ToolsBucketC561ADC0 Retain Retain',
    ]);
  });

  it('make the roles of an account once, whatever the number of its regions', () => {
    expect(ofType(hosts, 'AWS::IAM::Role')).toHaveLength(2);
    expect(ofType(stacks['holdfast-hosts-111111111111-eu-west-1']!, 'AWS::IAM::Role')).toEqual([]);
  });

  it('say everything that one needs next', () => {
    expect(Object.keys(control.Outputs ?? {}).toSorted()).toEqual([
      'AlarmTopicArn',
      'BackupMachineArn',
      'BrokerFunction',
      'CatalogTable',
      'EventBus',
      'FleetBackupMachineArn',
      'JobsTable',
      'JobsTableArn',
      'PolicyPrefix',
      'RebuildFunction',
      'ReconcileFunction',
      'RegisterFunction',
      'RestoreMachineArn',
      'RetentionFunction',
      'RunnerSettings',
      'ScratchBucket',
    ]);
  });
});

describe('a bucket of a site', () => {
  const [backups, tools] = ofType(site, 'AWS::S3::Bucket').map(([, r]) => r.Properties);

  it('is versioned, locked for the days of the settings, sealed with the key of the site, and private', () => {
    expect(backups).toMatchObject({
      BucketName: 'example-backups-eu-central-1',
      VersioningConfiguration: { Status: 'Enabled' },
      ObjectLockEnabled: true,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 3 } },
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
        ],
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
    expect(backups.LifecycleConfiguration.Rules).toEqual([
      { Id: 'AbortUploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } },
    ]);
    expect(backups.NotificationConfiguration).toBeUndefined();
  });

  it('for tools has no default lock, but can lock', () => {
    expect(tools.BucketName).toBe('example-backups-eu-central-1-tools');
    expect(tools.ObjectLockEnabled).toBe(true);
    expect(tools.ObjectLockConfiguration?.Rule).toBeUndefined();
    expect(tools.VersioningConfiguration).toEqual({ Status: 'Enabled' });
  });

  it('has a key that rotates', () => {
    expect(only(site, 'AWS::KMS::Key')[0].EnableKeyRotation).toBe(true);
  });
});

describe('the tables', () => {
  it('are protected, restorable to any second, paid by use, and forget what has a ttl', () => {
    for (const table of only(control, 'AWS::DynamoDB::GlobalTable')) {
      expect(table.BillingMode).toBe('PAY_PER_REQUEST');
      expect(table.TimeToLiveSpecification).toEqual({ AttributeName: 'ttl', Enabled: true });
      expect(table.Replicas).toHaveLength(1);
      expect(table.Replicas[0].DeletionProtectionEnabled).toBe(true);
      expect(table.Replicas[0].PointInTimeRecoverySpecification).toEqual({
        PointInTimeRecoveryEnabled: true,
      });
    }
  });

  it('have no index, which one host could flood and so hold up the rows of all others', () => {
    for (const table of only(control, 'AWS::DynamoDB::GlobalTable')) {
      expect(table.GlobalSecondaryIndexes).toBeUndefined();
    }
  });
});

describe('the functions', () => {
  const functions = only(control, 'AWS::Lambda::Function');

  it('run on Node 24 for arm64, with memory, a timeout and a log group that forgets', () => {
    expect(functions).toHaveLength(23);
    for (const fn of functions) {
      expect(fn.Runtime, fn.FunctionName).toBe('nodejs24.x');
      expect(fn.Architectures, fn.FunctionName).toEqual(['arm64']);
      expect(fn.MemorySize, fn.FunctionName).toBeGreaterThanOrEqual(256);
      expect(fn.LoggingConfig, fn.FunctionName).toMatchObject({ LogFormat: 'JSON' });
    }
    for (const log of only(control, 'AWS::Logs::LogGroup')) expect(log.RetentionInDays).toBe(90);
  });

  it('have a whole processor where one of them looks at the fleet within two minutes', () => {
    const reconcile = functions.find((fn) => fn.FunctionName === 'holdfast-reconcile');
    expect(reconcile?.MemorySize).toBeGreaterThanOrEqual(1769);
  });

  it('end before the state that waits for them', () => {
    const seconds = Object.fromEntries(
      functions.map((fn) => [fn.FunctionName.replace('holdfast-', ''), fn.Timeout]),
    );
    const { verify, register, rebuild, reconcile, retention, broker, ...more } = seconds;
    const { 'plan-restore': planRestore, ...others } = more;
    expect({ verify, register, rebuild, reconcile, retention, broker, planRestore }).toEqual({
      verify: 880,
      register: 150,
      rebuild: 880,
      reconcile: 110,
      retention: 880,
      broker: 20,
      planRestore: 170,
    });
    expect(new Set(Object.values(others))).toEqual(new Set([50]));
  });

  it('do not know where they run: no endpoint is set', () => {
    for (const fn of functions) {
      expect(Object.keys(fn.Environment?.Variables ?? {}).filter((k) => /ENDPOINT|LOCAL/.test(k))).toEqual(
        [],
      );
    }
  });
});

describe('the schedules', () => {
  const schedules = only(control, 'AWS::Scheduler::Schedule').map((s) => flat(s) as Record<string, never>);
  const named = (name: string) => schedules.find((s) => s.Name === name)!;

  it('start Fleet backup by the policy, in its zone, spread over half of its window', () => {
    expect(named('policy-nightly')).toMatchObject({
      ScheduleExpression: 'cron(0 2 * * ? *)',
      ScheduleExpressionTimezone: 'Europe/Berlin',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 60 },
      GroupName: 'holdfast',
      Target: {
        Arn: 'arn:aws:states:eu-central-1:111111111111:stateMachine:holdfast-fleet-backup',
        Input: '{"v":1,"policy":"nightly"}',
        RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 10 },
        DeadLetterConfig: { Arn: expect.stringContaining('DeadLetters') },
      },
    });
  });

  it('run Reconcile every two minutes, and never late', () => {
    expect(named('reconcile')).toMatchObject({
      ScheduleExpression: 'rate(2 minutes)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: { RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 } },
    });
  });

  it('run Retention every hour, and tell through the queue where a run failed', () => {
    expect(named('retention')).toMatchObject({
      ScheduleExpression: 'rate(1 hour)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: { Arn: 'arn:aws:lambda:eu-central-1:111111111111:function:holdfast-retention', Input: '{}' },
    });
    const invoked = only(control, 'AWS::Lambda::EventInvokeConfig').map((c) => flat(c));
    expect(invoked).toContainEqual(
      expect.objectContaining({
        FunctionName: expect.stringContaining('Retention'),
        MaximumRetryAttempts: 0,
        DestinationConfig: { OnFailure: { Destination: expect.stringContaining('DeadLetters') } },
      }),
    );
  });

  it('stay within the window for the shortest one', () => {
    const settings = exampleSettings();
    settings.policies[0]!.schedule.windowMinutes = 1;
    const [policy] = only(synthesized(settings)['holdfast-control']!, 'AWS::Scheduler::Schedule');
    expect(policy.FlexibleTimeWindow).toEqual({ Mode: 'OFF' });
    expect(policy.Target.RetryPolicy.MaximumEventAgeInSeconds).toBe(60);
  });
});

describe('closed executions', () => {
  it('cancel their jobs, and an event that fails is kept', () => {
    const [rule] = only(control, 'AWS::Events::Rule').map((r) => flat(r) as Record<string, never>);
    expect(rule).toMatchObject({
      EventPattern: {
        source: ['aws.states'],
        'detail-type': ['Step Functions Execution Status Change'],
        detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
      Targets: [{ DeadLetterConfig: { Arn: expect.stringContaining('DeadLetters') } }],
    });
    const invoke = only(control, 'AWS::Lambda::EventInvokeConfig').map(
      (c) => flat(c) as Record<string, never>,
    );
    expect(invoke.map((c) => c.DestinationConfig)).toContainEqual({
      OnFailure: { Destination: expect.stringContaining('DeadLetters') },
    });
  });
});

describe('policies', () => {
  it('are one parameter each, which reads back as the policy with its defaults', () => {
    const [parameter] = only(control, 'AWS::SSM::Parameter');
    expect(parameter.Name).toBe('/holdfast/policies/nightly');
    expect(policySchema.parse(JSON.parse(parameter.Value))).toMatchObject({
      name: 'nightly',
      keepDays: 35,
      attempts: 3,
    });
  });
});

describe('the document that starts a runner', () => {
  const [document] = only(hosts, 'AWS::SSM::Document');

  it('takes one id, never as text of the script', () => {
    expect(document.Name).toBe('holdfast-run-job');
    expect(document.UpdateMethod).toBe('NewVersion');
    expect(document.Content.schemaVersion).toBe('2.2');
    expect(document.Content.parameters).toEqual({
      JobId: {
        type: 'String',
        description: 'Id of the job',
        allowedPattern: '^[A-Za-z0-9-]{1,64}$',
        interpolationType: 'ENV_VAR',
      },
    });
    expect(JSON.stringify(document.Content.mainSteps)).not.toContain('{{');
    expect(document.Content.mainSteps[0].inputs.runCommand).toEqual([
      // biome-ignore lint/suspicious/noTemplateCurlyInString: read by the host's shell
      'exec "${HOLDFAST_ROOT:-/opt/holdfast}/bin/holdfast-launch" "$SSM_JobId"',
    ]);
  });
});
