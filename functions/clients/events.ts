import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { NamedError } from '../../contract/errors/named-error.ts';
import { eventSource } from '../../contract/records/events.ts';

/** Puts events onto the installation's bus; throws when one is not taken. */
export type PutEvents = (events: readonly { name: string; detail: unknown }[]) => Promise<void>;

/** Ten events are what one call takes. */
export const makePutEvents =
  (bus: string, client = new EventBridgeClient({ maxAttempts: 7 })): PutEvents =>
  async (events) => {
    const answer = await client.send(
      new PutEventsCommand({
        Entries: events.map(({ name, detail }) => ({
          EventBusName: bus,
          Source: eventSource,
          DetailType: name,
          Detail: JSON.stringify(detail),
        })),
      }),
    );
    const refused = (answer.Entries ?? []).find((entry) => entry.ErrorCode !== undefined);
    if (refused) {
      throw new NamedError(
        'Holdfast.Unexpected',
        `the bus ${bus} did not take an event: ${refused.ErrorCode}: ${refused.ErrorMessage}`,
      );
    }
  };
