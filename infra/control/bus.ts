import { RemovalPolicy } from 'aws-cdk-lib';
import { type CfnEventBus, EventBus } from 'aws-cdk-lib/aws-events';
import { AccountPrincipal, PolicyDocument, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { keyAdministration } from '../key-administration.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';

/**
 * Where results are told to whoever listens: `Backup Succeeded`, `Backup Failed`, `Backup Verified`, `Restore Completed`.
 * Events are sealed with a key of the bus's own, so that its policy can hold EventBridge to this one bus; what cannot be
 * sealed or opened goes to the queue of undelivered messages. Whoever puts events needs no right on the key.
 */
export class Bus extends Construct {
  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names; deadLetters: Queue }) {
    super(scope, id);
    const { settings, names, deadLetters } = props;
    const { account } = settings.control;
    const events = new ServicePrincipal('events.amazonaws.com');
    const ofThisBus = { 'kms:EncryptionContext:aws:events:event-bus:arn': names.busArn };
    const key = new Key(this, 'Key', {
      alias: `alias/${names.installation}-events`,
      description: `Events of ${names.installation}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
      policy: new PolicyDocument({
        statements: [
          keyAdministration(account),
          // A request to describe carries no encryption context: with such a condition the bus could not be made.
          new PolicyStatement({
            sid: 'EventBridgeLooksAtTheKey',
            principals: [events],
            actions: ['kms:DescribeKey'],
            resources: ['*'],
          }),
          new PolicyStatement({
            sid: 'EventBridgeSealsEventsOfThisBus',
            principals: [events],
            actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
            resources: ['*'],
            conditions: { StringEquals: { 'aws:SourceArn': names.busArn, ...ofThisBus } },
          }),
          // EventBridge tries the key as the one who makes the bus.
          new PolicyStatement({
            sid: 'TheDeploymentMakesTheBus',
            principals: [new AccountPrincipal(account)],
            actions: [
              'kms:Decrypt',
              'kms:DescribeKey',
              'kms:Encrypt',
              'kms:GenerateDataKeyWithoutPlaintext',
              'kms:ReEncryptFrom',
              'kms:ReEncryptTo',
            ],
            resources: ['*'],
            conditions: { ArnEquals: { 'aws:PrincipalArn': names.deploymentRoleArn(settings.control) } },
          }),
          new PolicyStatement({
            sid: 'WhoeverAddsRulesOpensThemByTheirOwnRights',
            principals: [new AccountPrincipal(account)],
            actions: ['kms:Decrypt'],
            resources: ['*'],
            conditions: { StringEquals: ofThisBus },
          }),
        ],
      }),
    });
    const bus = new EventBus(this, 'Bus', {
      eventBusName: names.bus,
      description: `Results of ${names.installation}`,
      deadLetterQueue: deadLetters,
    });
    // Given as `kmsKey`, the CDK adds one statement of its own whose condition keeps EventBridge from describing the key.
    (bus.node.defaultChild as CfnEventBus).kmsKeyIdentifier = key.keyArn;
    deadLetters.addToResourcePolicy(
      new PolicyStatement({
        sid: 'EventsOfTheBusThatCannotBeOpened',
        principals: [events],
        actions: ['sqs:SendMessage'],
        resources: [deadLetters.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': names.busArn } },
      }),
    );
  }
}
