import { makeInstallation } from './installation.ts';
import { countOutsideCalls } from './outside-calls.ts';
import { machineOf, machines } from './what-is-deployed.ts';

/** The states that the walk of a scheduled backup enters when all is well, without those inside of its map. */
export async function statesOfHappyBackup(): Promise<string[]> {
  const world = makeInstallation({ calls: countOutsideCalls() });
  try {
    await world.register();
    await world.strikeTheHour('night-1');
    const backup = [...world.entered].find(([arn]) => arn.includes(':holdfast-backup:'));
    const { States } = machineOf(machines.backup);
    return (backup?.[1] ?? []).filter((state) => state in States);
  } finally {
    world.remove();
  }
}
