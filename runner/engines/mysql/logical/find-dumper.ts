import type { EngineContext } from '../../engine.ts';
import { versionIn } from '../versions.ts';

/** The version of mydumper on this host, null where there is none; it tells it on stdout. */
export async function findDumper({
  runChild,
  signal,
}: Pick<EngineContext, 'runChild' | 'signal'>): Promise<string | null> {
  const end = await runChild({ command: 'mydumper', args: ['--version'], signal, stallSeconds: 30 });
  signal.throwIfAborted();
  return end.exitCode === 0 ? versionIn(/^mydumper v?([\d.]+)/m.exec(end.stdout)?.[1] ?? '') : null;
}
