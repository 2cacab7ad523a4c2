import { setTimeout as sleep } from 'node:timers/promises';
import { SetSubscriptionAttributesCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { LocalTarget } from '../../../infra/local/target.ts';

/** A message as a queue behind the topic gets it. */
export type Told = { subject: string; body: string; attributes: Record<string, string> };

type Notification = {
  Subject?: string;
  Message: string;
  MessageAttributes?: Record<string, { Value: string }>;
};

/** What an operator would do to be told by a queue; answers all that came since, read until nothing more comes. */
export async function subscribeToTopic({ emulator, names }: LocalTarget): Promise<() => Promise<Told[]>> {
  const config = {
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  };
  const sqs = new SQSClient(config);
  const sns = new SNSClient(config);
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'told' }));
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const { SubscriptionArn } = await sns.send(
    new SubscribeCommand({
      TopicArn: names.topicArn,
      Protocol: 'sqs',
      Endpoint: Attributes?.QueueArn,
      ReturnSubscriptionArn: true,
    }),
  );
  await sns.send(
    new SetSubscriptionAttributesCommand({
      SubscriptionArn,
      AttributeName: 'RawMessageDelivery',
      AttributeValue: 'false',
    }),
  );
  const told: Told[] = [];
  const receive = async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    for (const { Body = '', ReceiptHandle } of Messages) {
      const { Subject = '', Message, MessageAttributes = {} } = JSON.parse(Body) as Notification;
      const attributes = Object.entries(MessageAttributes).map(([name, { Value }]) => [name, Value]);
      told.push({ subject: Subject, body: Message, attributes: Object.fromEntries(attributes) });
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
    return Messages.length;
  };
  // The topic hands on what it takes before it answers; half a second more is for what an alarm sends.
  return async () => {
    for (let quiet = 0; quiet < 2; ) {
      if ((await receive()) > 0) quiet = 0;
      else if (++quiet < 2) await sleep(500);
    }
    return told;
  };
}
