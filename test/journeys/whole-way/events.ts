import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { type EventName, eventSource } from '../../../contract/records/events.ts';
import type { LocalTarget } from '../../../infra/local/target.ts';

export type SeenEvent = { source: string; 'detail-type': EventName; detail: Record<string, unknown> };

export type EventQueue = {
  /** Waits for an event of this name whose detail has these values, among all that came since the start. */
  seen(name: EventName, detail: Record<string, unknown>): Promise<SeenEvent>;
};

/** What an operator would do to hear of backups: a rule on the installation's bus with a queue behind it. */
export async function subscribe({ emulator, names }: LocalTarget): Promise<EventQueue> {
  const config = {
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  };
  const sqs = new SQSClient(config);
  const bus = new EventBridgeClient(config);
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'journeys' }));
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const rule = { EventBusName: names.bus, Name: 'journeys' };
  await bus.send(new PutRuleCommand({ ...rule, EventPattern: JSON.stringify({ source: [eventSource] }) }));
  await bus.send(
    new PutTargetsCommand({
      EventBusName: names.bus,
      Rule: rule.Name,
      Targets: [{ Id: 'queue', Arn: Attributes?.QueueArn }],
    }),
  );
  const events: SeenEvent[] = [];
  const receive = async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    if (Messages.length === 0) return;
    events.push(...Messages.map((message) => JSON.parse(message.Body ?? '') as SeenEvent));
    await sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle })),
      }),
    );
  };
  return {
    async seen(name, detail) {
      for (const deadline = Date.now() + 15_000; ; ) {
        const found = events.find(
          (event) =>
            event['detail-type'] === name &&
            Object.entries(detail).every(([field, value]) => event.detail[field] === value),
        );
        if (found) return found;
        if (Date.now() > deadline) {
          const came = events.map((event) => `${event['detail-type']} ${JSON.stringify(event.detail)}`);
          throw new Error(`no ${name} with ${JSON.stringify(detail)} came; these did:\n${came.join('\n')}`);
        }
        await receive();
      }
    },
  };
}
