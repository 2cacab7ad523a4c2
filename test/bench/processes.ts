import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessRegistry } from '../../infra/local/processes.ts';
import type { Cost } from './launcher.ts';
import type { Counts } from './sink.ts';

/** A program of this folder, as the arguments of node. */
export const program = (name: string, ...args: string[]): string[] => [
  join(import.meta.dirname, `${name}.ts`),
  ...args,
];

export type Sink = { url: string; counts: () => Promise<Counts>; stop: () => Promise<void> };

/** Starts a store as a process of its own. */
export async function startSink(registry: ProcessRegistry, ...args: string[]): Promise<Sink> {
  const child = registry.start('sink', process.execPath, program('sink', ...args), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const { url } = JSON.parse(String(line)) as { url: string };
  return {
    url,
    counts: async () => (await (await fetch(`${url}/_counts`)).json()) as Counts,
    stop: () => registry.stop(child.pid ?? 0),
  };
}

export type Pipeline = {
  /** The command that is measured. */
  command: readonly string[];
  /** The whole environment of the pipeline besides PATH and LANG. */
  env?: Readonly<Record<string, string>>;
  /** Writes the command's stdin. */
  producer?: readonly string[];
  /** The pipeline ends in cat: `command | cat > /dev/null`. */
  intoCat?: boolean;
  /** Its stdout is what it says of itself, to be told when it fails, and not data. */
  saysOnStdout?: boolean;
  /** The exit code that it is expected to end with; 0 without. */
  endsWith?: number;
};

const word = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const words = (command: readonly string[]) => command.map(word).join(' ');

/**
 * Runs a pipeline as a shell does, so that everybody reads and writes pipes as people's tools do, and answers what its
 * measured command cost. Throws with the end of what was said on stderr when the command fails.
 */
export async function measure(
  registry: ProcessRegistry,
  { command, env, producer, intoCat, saysOnStdout, endsWith = 0 }: Pipeline,
  scratch: string,
): Promise<Cost> {
  const directory = mkdtempSync(join(scratch, 'run-'));
  const file = join(directory, 'cost.json');
  const measured = words([process.execPath, ...program('launcher', file, ...command)]);
  const stages = [...(producer ? [words(producer)] : []), measured, ...(intoCat ? ['cat'] : [])];
  const said = join(directory, 'stderr');
  const child = registry.start(
    command[0] ?? '',
    '/bin/sh',
    ['-c', `${stages.join(' | ')} ${saysOnStdout ? '>&2' : '> /dev/null'}`],
    {
      stdio: ['ignore', 'ignore', openSync(said, 'w')],
      env: { PATH: process.env.PATH, LANG: 'C', ...env },
    },
  );
  await once(child, 'exit');
  const tail = readFileSync(said, 'utf8').slice(-2000);
  const cost = JSON.parse(readFileSync(file, 'utf8')) as Cost;
  rmSync(directory, { recursive: true });
  if (cost.exitCode !== endsWith)
    throw new Error(`${command.join(' ')} ended with ${cost.exitCode}: ${tail}`);
  return cost;
}
