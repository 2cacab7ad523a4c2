import { toErrorRecord } from '../contract/errors/named-error.ts';
import { mintedId } from '../contract/records/ids.ts';
import { assemble } from './assemble.ts';
import { clampExitCode } from './host/exit-code.ts';
import { superviseJob } from './job/supervise.ts';
import { runnerVersion } from './version.ts';

/** As sysexits.h has it: the command was used wrongly. */
const usageError = 64;

/**
 * The runner's verbs. 0: the job succeeded, or was not this runner's to do (a second delivery); 1: it failed, or
 * could not be begun; 64: the arguments make no sense.
 */
async function main(args: string[]): Promise<number> {
  const [verb, jobId, ...more] = args;
  if (verb !== 'run' || more.length > 0 || !mintedId.safeParse(jobId).success) {
    process.stderr.write(
      `holdfast runner ${runnerVersion}\nusage: runner.mjs run <jobId>   (a job id matches ^[A-Za-z0-9-]{1,64}$)\n`,
    );
    return usageError;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const parts = await assemble(jobId!, {
    env: process.env,
    stop: stop.signal,
    write: (line) => void process.stdout.write(line),
  });
  const outcome = await superviseJob(jobId!, parts);
  return outcome === 'failed' ? 1 : 0;
}

try {
  process.exit(clampExitCode(await main(process.argv.slice(2))));
} catch (error) {
  const { name, cause } = toErrorRecord(error);
  process.stderr.write(`${name}: ${cause}\n`);
  process.exit(1);
}
