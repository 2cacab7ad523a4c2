import { afterAll, beforeAll } from 'vitest';
import { archiving, archivingBegins } from './whole-way/archiving.ts';
import { backingUp } from './whole-way/backing-up.ts';
import { asPrinted, withoutHoldfast } from './whole-way/by-hand.ts';
import { chains } from './whole-way/chains.ts';
import { failing } from './whole-way/failing.ts';
import { keepingSecrets } from './whole-way/keeping-secrets.ts';
import { lonePrimary } from './whole-way/lone-primary.ts';
import { mysqlToo } from './whole-way/mysql.ts';
import { reconciling } from './whole-way/reconciling.ts';
import { refusingRestores } from './whole-way/refusing-restores.ts';
import { registering } from './whole-way/registering.ts';
import { restoring } from './whole-way/restoring.ts';
import { restoringTables } from './whole-way/restoring-tables.ts';
import { telling } from './whole-way/telling.ts';
import { startWorld, stopWorld, type World } from './whole-way/world.ts';

// One deployment for all: the chapters follow each other, and each leaves cluster and hosts as it found them, until
// the primary is lost.
let world: World;
const the = () => world;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopWorld(world));

registering(the);
backingUp(the);
telling(the);
archivingBegins(the);
refusingRestores(the);
asPrinted(the);
failing(the);
lonePrimary(the);
chains(the);
archiving(the);
reconciling(the);
keepingSecrets(the);
restoringTables(the);
mysqlToo(the);
restoring(the);
withoutHoldfast(the);
