import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import { type EventName, eventDetailSchemas } from '../../contract/records/events.ts';
import type { PutEvents } from '../clients/events.ts';
import { describeIssues, makeLambda } from '../log/lambda.ts';

export type PublishDeps = { putEvents: PutEvents; now: () => Date };

const names = Object.keys(eventDetailSchemas) as [EventName, ...EventName[]];

/** Details go out as the contract has them; version and time are filled in where the machine left them out. */
export function detailOf(name: EventName, detail: Readonly<Record<string, unknown>>, now: Date): unknown {
  const read = eventDetailSchemas[name].safeParse({ version: 1, at: now.toISOString(), ...detail });
  if (!read.success)
    throw new NamedError('Input.Invalid', `event ${name}: ${describeIssues(read.error, detail)}`);
  return read.data;
}

/** Publishes what happened on the installation's bus. A second call publishes again: events are told at least once. */
export function makeHandler(deps: PublishDeps) {
  return makeLambda<typeof event, { outcome: 'published'; count: number }>({
    name: 'publish',
    event,
    onInvalid: 'throw',
    handle: async ({ events }) => {
      const now = deps.now();
      await deps.putEvents(events.map(({ name, detail }) => ({ name, detail: detailOf(name, detail, now) })));
      return { outcome: 'published', count: events.length };
    },
  });
}

const event = z.object({
  events: z
    .array(z.object({ name: z.enum(names), detail: z.record(z.string(), z.unknown()) }))
    .min(1)
    .max(10),
});
