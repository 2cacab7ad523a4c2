import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';

/** What people are told: a subject of up to 100 ASCII characters, a text, and what subscribers may filter by. */
export type Message = { subject: string; body: string; attributes: Readonly<Record<string, string>> };

/** Publishes a message; resolved means that the topic has taken it. */
export type Publish = (message: Message) => Promise<void>;

export const makePublish =
  (topicArn: string, client = new SNSClient({ maxAttempts: 5 })): Publish =>
  async ({ subject, body, attributes }) => {
    await client.send(
      new PublishCommand({
        TopicArn: topicArn,
        Subject: subject,
        Message: body,
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [
            name,
            { DataType: 'String', StringValue: value },
          ]),
        ),
      }),
    );
  };
