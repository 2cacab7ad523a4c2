import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AccountPrincipal, PolicyDocument, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription, UrlSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import { keyAdministration } from '../key-administration.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';

/**
 * How people hear of trouble: a topic, and the queue of what could not be delivered, under a key of our own.
 * With the AWS-managed key of SNS, CloudWatch and EventBridge would publish into nothing, without an error.
 */
export class AlarmChannel extends Construct {
  readonly topic: Topic;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names }) {
    super(scope, id);
    const { settings, names } = props;
    const { account } = settings.control;
    const fromHere = { StringEquals: { 'aws:SourceAccount': account } };
    const key = new Key(this, 'Key', {
      alias: `alias/${names.installation}-alarms`,
      description: `Alarms and undelivered messages of ${names.installation}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
      policy: new PolicyDocument({
        statements: [
          keyAdministration(account),
          new PolicyStatement({
            sid: 'AlarmsSealIntoTheTopic',
            principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
            actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
            resources: ['*'],
            conditions: fromHere,
          }),
          // When EventBridge uses a key it tells neither account nor resource it acts for: with such a condition every
          // undelivered event would be dropped without an error. The queue's policy says whose messages it takes.
          new PolicyStatement({
            sid: 'UndeliveredMessagesAreSealed',
            principals: ['events', 'sns'].map((s) => new ServicePrincipal(`${s}.amazonaws.com`)),
            actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
            resources: ['*'],
          }),
          new PolicyStatement({
            sid: 'RolesOfThisAccountUseItThroughQueueAndTopic',
            principals: [new AccountPrincipal(account)],
            actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
            resources: ['*'],
            conditions: {
              StringEquals: {
                'kms:ViaService': ['sns', 'sqs'].map((s) => `${s}.${settings.control.region}.amazonaws.com`),
              },
            },
          }),
        ],
      }),
    });
    this.deadLetters = new Queue(this, 'DeadLetters', {
      queueName: names.deadLetters,
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: key,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acknowledge(this.deadLetters, 'SQS3', 'it is the dead-letter queue');
    this.topic = new Topic(this, 'Topic', { topicName: names.topic, masterKey: key, enforceSSL: true });
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsPublish',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [names.topicArn],
        conditions: fromHere,
      }),
    );
    for (const email of settings.alarms.emails) this.topic.addSubscription(new EmailSubscription(email));
    for (const url of settings.alarms.urls) {
      this.topic.addSubscription(new UrlSubscription(url, { deadLetterQueue: this.deadLetters }));
    }
  }
}
