import { readPart, type StreamedPart, type ToolStage } from './contents.ts';
import { type Misbehaviour, strike, type ToolFiles } from './misbehaviour.ts';

export type WriterOptions = {
  plan: Misbehaviour | undefined;
  files: ToolFiles;
  say: (line: string) => void;
  /** Holds a password, and is there while the tool strikes. */
  optionFile: string;
  datadir: string;
  listed: Map<ToolStage, string[]>;
};

const toStdout = (bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    if (bytes.length === 0) resolve();
    else process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });

/** Bytes of the files to come; what the tool makes itself comes on top and is small. */
const expectedBytes = ({ datadir, listed }: WriterOptions): number =>
  [...listed.values()]
    .flat()
    .flatMap((path) => readPart(datadir, path)?.chunks ?? [])
    .reduce((sum, chunk) => sum + chunk.length, 0);

/**
 * Makes the way of the double's bytes to its stdout, on which it strikes once, at its byte. The writer is called with
 * undefined at the stream's end, where a plan for `at: 1` strikes.
 */
export function makeWriter(options: WriterOptions): (part: StreamedPart | undefined) => Promise<void> {
  const { plan, files, say } = options;
  const at = plan !== undefined && 'at' in plan ? Math.floor(plan.at * expectedBytes(options)) : undefined;
  const last = plan !== undefined && 'at' in plan && plan.at >= 1;
  let written = 0;
  let struck = at === undefined;

  const misbehave = async (): Promise<void> => {
    struck = true;
    if (plan === undefined) return;
    strike(files, `${plan.do} at ${written}, with ${options.optionFile}`);
    switch (plan.do) {
      case 'fail':
        say('Error: read of file ./ibdata1 failed with errno 5');
        process.stderr.write('mariabackup: Error while copying\n');
        return process.exit(plan.code);
      case 'cut':
        say('completed OK!');
        return process.exit(0);
      case 'die':
        process.kill(process.pid, plan.signal);
        return new Promise(() => {});
      case 'hang':
        setInterval(() => {}, 60_000);
        return new Promise(() => {});
      case 'flood':
        for (let left = plan.bytes; left > 0; left -= 100)
          if (!process.stderr.write(`${'x'.repeat(99)}\n`))
            await new Promise((resolve) => process.stderr.once('drain', resolve));
        return;
      case 'kill-runner':
        process.kill(plan.whole === 'group' ? -process.ppid : process.ppid, 'SIGKILL');
        setInterval(() => {}, 60_000);
        return new Promise(() => {});
    }
  };

  return async (part) => {
    if (part === undefined) {
      if (!struck) await misbehave();
      return;
    }
    for (const chunk of part.chunks) {
      if (!struck && !last && at !== undefined && written + chunk.length > at) {
        const before = plan?.do === 'cut' && plan.edge ? 0 : at - written;
        await toStdout(chunk.subarray(0, before));
        written += before;
        await misbehave();
        await toStdout(chunk.subarray(before));
        written += chunk.length - before;
        continue;
      }
      await toStdout(chunk);
      written += chunk.length;
    }
  };
}
