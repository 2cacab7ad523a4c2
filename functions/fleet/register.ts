import { z } from 'zod';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import type { CheckOutcome } from './check-hosts.ts';

export type RegisterAnswer =
  | { outcome: 'registered'; kind: 'cluster' | 'host'; id: string; checks: CheckOutcome[]; notes: string[] }
  | { outcome: 'unchanged'; kind: 'cluster' | 'host'; id: string }
  | (Refused & { checks?: CheckOutcome[] });

type Register = (document: unknown, execution: string) => Promise<RegisterAnswer>;

export type RegisterDeps = { registerCluster: Register; registerHost: Register; uuid: () => string };

/** Takes one document, of a cluster or of a host; the same document twice changes nothing. Invoked by hand. */
export function makeHandler(deps: RegisterDeps) {
  return makeLambda<typeof event, RegisterAnswer>({
    name: 'register',
    event,
    onInvalid: 'refuse',
    handle: async (document) => {
      const execution = `register:${deps.uuid()}`;
      if ('clusterId' in document) return deps.registerCluster(document, execution);
      if ('hostId' in document) return deps.registerHost(document, execution);
      return refused(
        'Input.Invalid',
        'the document has neither clusterId nor hostId; hand in one document, of a cluster or of a host',
      );
    },
  });
}

const event = z.record(z.string(), z.unknown());
