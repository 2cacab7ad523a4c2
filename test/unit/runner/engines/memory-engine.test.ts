import { makeMemoryEngine, makeMemoryServer } from '../../../doubles/memory-engine.ts';
import { backupOrder } from '../job/orders.ts';
import { engineContract } from './contract-suite.ts';

engineContract('the engine in memory', async () => {
  const server = makeMemoryServer({ orders: ['1 tea', '2 coffee'], 'odd `name`': ['ä'] });
  const nobody = makeMemoryServer({});
  nobody.reachable = false;
  const unreachable = { ...backupOrder.member, memberId: 'nobody' };
  const here = makeMemoryEngine(server);
  const nowhere = makeMemoryEngine(nobody);
  const of = (order: { member: { memberId: string } }) =>
    order.member.memberId === 'nobody' ? nowhere : here;
  let port = 20_000;
  return {
    engine: {
      ...here,
      inspect: (order, context) => of(order).inspect(order, context),
      preflight: (order, context) => of(order).preflight(order, context),
    },
    order: backupOrder as never,
    unreachable,
    nextPort: () => port++,
    user: 'mysql',
    change: async () => void server.tables.get('orders')!.push('3 milk'),
    slow: async () => {
      server.rowMs = 200;
    },
    leftovers: async () => (server.sessions === 0 ? [] : [`${server.sessions} sessions`]),
    stop: async (instance) => void server.started.delete(instance.port),
    close: async () => {},
  };
});
