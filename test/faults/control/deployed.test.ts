import { afterAll, beforeAll } from 'vitest';
import { registerAll } from '../../../infra/local/backup-story.ts';
import { quiet, startWorld, stopWorld, type World } from '../../journeys/whole-way/world.ts';
import { deploying } from './deployed/deploying.ts';
import { forging } from './deployed/forging.ts';
import { launching } from './deployed/launching.ts';
import { losingTheCatalog } from './deployed/losing-the-catalog.ts';
import { scheduling } from './deployed/scheduling.ts';
import { stopping } from './deployed/stopping.ts';

// One deployment for all; each chapter leaves cluster and hosts as it found them.
let world: World;
const the = () => world;

beforeAll(async () => {
  world = await startWorld('faults-control');
  await registerAll(world.target, world.servers, quiet);
});
afterAll(() => stopWorld(world));

scheduling(the);
launching(the);
stopping(the);
deploying(the);
forging(the);
losingTheCatalog(the);
