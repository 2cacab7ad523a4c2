import { wrongsOf } from './end-state.ts';
import type { RunnerEnd } from './host.ts';
import { type Installation, type InstallationOptions, makeInstallation } from './installation.ts';
import type { OutsideCalls } from './outside-calls.ts';
import { machines, policy } from './what-is-deployed.ts';

const withIncrementals = { ...policy, incrementals: { most: 6, waitMinutes: 0 } };

/** What a story came to: the counted part of its calls, and everything that is wrong at its end. */
export type Told = { from: number; to: number; wrongs: string[] };
export type Part = 'before' | 'counted' | 'after';
export type StoryOptions = Partial<InstallationOptions> & { onPart?: (part: Part) => void };
export type Story = (calls: OutsideCalls, options?: StoryOptions) => Promise<Told>;

const nextNight = async (world: Installation): Promise<string[]> => {
  await world.skipTo('2026-11-25T02:00:30.000Z');
  await world.strikeTheHour('night-2');
  await world.settle();
  const slot = await world.catalog.slots.get('orders', '20261125T0200Z');
  return slot?.state === 'recorded' && slot.attempt === 1
    ? []
    : [`the next slot is ${slot?.state ?? 'not there'} at attempt ${slot?.attempt ?? 0}`];
};

/** A night's backup whose first runner ends so, and where all is well the night after it. */
export const backup =
  (first: RunnerEnd): Story =>
  async (calls, { onPart = () => undefined, ...options } = {}) => {
    const endOf: InstallationOptions['endOf'] = (kind, n) => (kind === 'backup' && n === 1 ? first : 'well');
    const world = makeInstallation({ calls, endOf, ...options });
    try {
      await world.register();
      onPart('counted');
      await world.strikeTheHour('night-1');
      await world.settle();
      onPart('after');
      calls.back();
      const to = calls.calls.length;
      // One attempt fails by the story: with what strikes on top of it, all three may.
      const wrongs = await wrongsOf(world, { mayExhaust: first !== 'well' });
      if ((await world.catalog.slots.get('orders', '20261124T0200Z')) === undefined)
        wrongs.push('the slot was never opened');
      if (first === 'well')
        wrongs.push(...(await nextNight(world)), ...(await wrongsOf(world)).map((w) => `next night: ${w}`));
      return { from: 0, to, wrongs };
    } finally {
      world.remove();
    }
  };

/** A restore of the night's backup, and one more beside it. */
export const restore: Story = async (calls, { onPart = () => undefined, ...options } = {}) => {
  const world = makeInstallation({ calls, ...options });
  try {
    await world.register();
    await world.strikeTheHour('night-1');
    await world.settle();
    const from = calls.calls.length;
    const order = (name: string, port: number) => {
      const target = { ...world.target(name), port };
      return world.start(machines.restore, name, { v: 1, clusterId: 'orders', backupId: 'latest', target });
    };
    onPart('counted');
    await order('restore-1', 13_306);
    await world.settle();
    onPart('after');
    calls.back();
    const to = calls.calls.length;
    const wrongs = await wrongsOf(world);
    const second = await order('restore-2', 13_307);
    if (second.status === 'failed') wrongs.push(`the next restore failed: ${second.error} ${second.cause}`);
    await world.settle();
    return { from, to, wrongs: [...wrongs, ...(await wrongsOf(world))] };
  } finally {
    world.remove();
  }
};

/** A restore of a full and the incremental of the night after it: both are pinned and read, and both are let go. */
export const restoreOfChain: Story = async (calls, { onPart = () => undefined, ...options } = {}) => {
  const world = makeInstallation({ calls, policy: withIncrementals, ...options });
  try {
    await world.register();
    await world.strikeTheHour('night-1');
    await world.settle();
    const wrongs = await nextNight(world);
    const [last] = await world.catalog.backups.list('orders');
    if (last?.level !== 'incremental') wrongs.push(`the second night took a ${last?.level}`);
    const from = calls.calls.length;
    const order = (name: string) =>
      world.start(machines.restore, name, {
        v: 1,
        clusterId: 'orders',
        backupId: 'latest',
        target: world.target(name),
      });
    onPart('counted');
    await order('restore-1');
    await world.settle();
    onPart('after');
    calls.back();
    const to = calls.calls.length;
    return { from, to, wrongs: [...wrongs, ...(await wrongsOf(world))] };
  } finally {
    world.remove();
  }
};
