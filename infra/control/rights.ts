import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Names } from '../names.ts';
import { partitionOf } from '../names.ts';
import type { Settings } from '../settings.ts';
import { siteKeyStatements } from '../site-keys.ts';

type TableAction = 'GetItem' | 'Query' | 'PutItem' | 'UpdateItem' | 'DeleteItem' | 'ConditionCheckItem';

const allow = (actions: string[], resources: string[], conditions: Record<string, unknown> = {}) =>
  new PolicyStatement({ actions, resources, conditions });

/** What a sender of undelivered messages needs: the queue, and the key it is sealed with. */
export const sendTo = (queue: IQueue) => [
  allow(['sqs:SendMessage'], [queue.queueArn]),
  allow(['kms:Decrypt', 'kms:GenerateDataKey'], [queue.encryptionMasterKey!.keyArn]),
];

/** What a publisher needs: the topic, and the key that its messages are sealed with. */
export const publishTo = (topic: Topic) => [
  allow(['sns:Publish'], [topic.topicArn]),
  allow(['kms:Decrypt', 'kms:GenerateDataKey'], [topic.masterKey!.keyArn]),
];

/** The rights that functions are put together from: exact actions on exact names. */
export function rightsOf(settings: Settings, names: Names) {
  const sites = Object.keys(settings.sites);
  const inSites = (...paths: string[]) =>
    sites.flatMap((s) => paths.map((path) => `${names.bucketArn(s)}/${path}`));
  const dynamodb = (actions: TableAction[]) => actions.map((a) => `dynamodb:${a}`);
  const backups = ['*/backups/*'];
  const keys = (action: string) => siteKeyStatements(settings, names, settings.control.account, action);
  return {
    catalog: (...actions: TableAction[]) => allow(dynamodb(actions), [names.tableArn(names.catalogTable)]),
    jobs: (...actions: TableAction[]) => allow(dynamodb(actions), [names.tableArn(names.jobsTable)]),
    /** Without the right to list, S3 answers 403 for a missing object, which is then not told from a denial. */
    readSites: (...paths: string[]) => [
      allow(['s3:GetObject', 's3:GetObjectVersion'], inSites(...(paths.length > 0 ? paths : backups))),
      allow(['s3:ListBucket'], sites.map(names.bucketArn)),
      ...keys('kms:Decrypt'),
    ],
    /** Versions by key and id: no byte of them. */
    listVersions: () => allow(['s3:ListBucketVersions'], sites.map(names.bucketArn)),
    /** Under a lock the store itself refuses: nobody has the right to go around it. */
    deleteVersions: () => allow(['s3:DeleteObjectVersion', 's3:GetObjectRetention'], inSites(...backups)),
    writeSites: (path: string) => [allow(['s3:PutObject'], inSites(path)), ...keys('kms:GenerateDataKey')],
    putScratch: (path: string) => [
      allow(
        ['s3:PutObject'],
        [`arn:${partitionOf(settings.control.region)}:s3:::${names.scratchBucket}/${path}`],
      ),
    ],
    policies: () => allow(['ssm:GetParameter'], [names.policyArns]),
    assumeDispatch: () => allow(['sts:AssumeRole'], [...new Set(settings.hosts.map(names.dispatchRoleArn))]),
    assumeRestore: () => allow(['sts:AssumeRole'], sites.map(names.restoreRoleArn)),
    putEvents: () => allow(['events:PutEvents'], [names.busArn]),
    failTasks: () =>
      allow(['states:SendTaskFailure'], [names.machineArn('backup'), names.machineArn('restore')]),
    answerTasks: () =>
      allow(
        ['states:SendTaskFailure', 'states:SendTaskSuccess'],
        [names.machineArn('backup'), names.machineArn('restore')],
      ),
    describeExecutions: () =>
      allow(['states:DescribeExecution'], [names.executionsArn('backup'), names.executionsArn('restore')]),
    listBackups: () => allow(['states:ListExecutions'], [names.machineArn('backup')]),
    startBackup: () => allow(['states:StartExecution'], [names.machineArn('backup')]),
    putMetrics: () =>
      allow(['cloudwatch:PutMetricData'], ['*'], {
        StringEquals: { 'cloudwatch:namespace': names.metricNamespace },
      }),
  };
}

export type Rights = ReturnType<typeof rightsOf>;
