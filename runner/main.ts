import { toErrorRecord } from '../contract/errors/named-error.ts';
import { mintedId } from '../contract/records/ids.ts';
import { runAgent } from './agent/agent.ts';
import { assemble, assembleAgent, assembleSweep } from './assemble.ts';
import { clampExitCode } from './host/exit-code.ts';
import { superviseJob } from './job/supervise.ts';
import { sweepHost } from './job/sweep.ts';
import { runnerVersion } from './version.ts';

/** As sysexits.h has it: the command was used wrongly. */
const usageError = 64;

const usage = `holdfast runner ${runnerVersion}
usage: runner.mjs run <jobId>   (a job id matches ^[A-Za-z0-9-]{1,64}$)
       runner.mjs sweep         (clears up after runners of this host that were killed)
       runner.mjs agent         (archives the logs that this host is told to, until it is stopped)
`;

/**
 * The runner's verbs. 0: the job succeeded, or was not this runner's to do (a second delivery); 1: it failed, or
 * could not be begun; 64: the arguments make no sense.
 */
async function main(args: string[]): Promise<number> {
  const [verb, jobId, ...more] = args;
  const stop = new AbortController();
  const surroundings = {
    env: process.env,
    stop: stop.signal,
    write: (line: string) => void process.stdout.write(line),
  };
  // A disk that is full takes no more lines of the log; the job, whose log is stored with it, goes on.
  for (const end of [process.stdout, process.stderr]) end.on('error', () => {});
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  if (verb === 'sweep' && jobId === undefined) {
    return (await sweepHost(assembleSweep(surroundings))) === 0 ? 0 : 1;
  }
  if (verb === 'agent' && jobId === undefined) {
    const agent = await assembleAgent(surroundings);
    if (agent === undefined) return 0;
    try {
      await runAgent(agent.parts);
    } finally {
      await agent.close();
    }
    return 0;
  }
  if (verb === 'run' && more.length === 0 && mintedId.safeParse(jobId).success) {
    const outcome = await superviseJob(jobId!, await assemble(jobId!, surroundings));
    return outcome === 'failed' ? 1 : 0;
  }
  process.stderr.write(usage);
  return usageError;
}

try {
  process.exit(clampExitCode(await main(process.argv.slice(2))));
} catch (error) {
  const { name, cause } = toErrorRecord(error);
  process.stderr.write(`${name}: ${cause}\n`);
  process.exit(1);
}
