import { join } from 'node:path';
import { beginArchiving } from './archiving.ts';
import { registerAll } from './backup-story.ts';
import { applicationAccount } from './data.ts';
import { localCommands } from './local-commands.ts';
import { startLocalServers } from './local-servers.ts';
import { narrator } from './narrator.ts';
import { localPaths } from './paths.ts';
import { openRegistry, stopChildrenAtExit } from './processes.ts';
import { startTarget } from './target.ts';
import { freePort } from './wait.ts';
import { startWriter } from './writer.ts';

const registry = openRegistry(localPaths('local').pids);
await registry.stopOrphans();
stopChildrenAtExit(registry);
const { chapter, say } = narrator();

chapter('Deploy holdfast to the emulator');
const target = await startTarget({ purpose: 'local', registry, say });
chapter('Start a primary, its replica and an empty host; load data; let a writer run');
const servers = await startLocalServers({
  paths: target.paths,
  registry,
  hosts: target.hosts,
  bytes: 50e6,
  say,
});
await startWriter({ socketPath: servers.primary.socket, ...applicationAccount }, 20);
await registerAll(target, servers, say);
await beginArchiving(target, registry);
say('the agents are up, and the primary archives its log');

const directory = join(target.hosts.empty.root, 'restored');
console.log(localCommands(target, servers, { directory, port: await freePort() }));
setInterval(() => {}, 3_600_000);
