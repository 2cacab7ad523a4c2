import { expect, it } from 'vitest';
import { makeLeases } from '../../../../functions/catalog/lease.ts';
import { makeMemoryDynamoDb } from '../../../doubles/memory-dynamodb.ts';

it('a cap without room is read, not written: whoever waits for it costs no write unit', async () => {
  const { client } = makeMemoryDynamoDb();
  const sent: string[] = [];
  const watched = new Proxy(client, {
    get: (target, name, self) =>
      name === 'send'
        ? (command: Parameters<typeof client.send>[0]) => {
            sent.push(command.constructor.name);
            return client.send(command);
          }
        : Reflect.get(target, name, self),
  });
  const leases = makeLeases({ client: watched, table: 'catalog' });
  const [fleet, site] = [
    { name: 'fleet', cap: 1 },
    { name: 'site:home', cap: 5 },
  ];
  expect(await leases.take('arn:e1', [fleet, site])).toEqual({ outcome: 'taken' });
  sent.length = 0;
  expect(await leases.take('arn:e2', [fleet, site])).toEqual({ outcome: 'full', names: ['fleet'] });
  expect(sent).toEqual(['GetCommand', 'GetCommand']);
  expect(await leases.take('arn:e1', [fleet, site])).toEqual({ outcome: 'taken' });
});
