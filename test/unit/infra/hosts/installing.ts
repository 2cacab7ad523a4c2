import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installRunnerDocument } from '../../../../infra/hosts/install-runner-document.ts';
import { localSettings } from '../../../../infra/local/local-settings.ts';
import { openRegistry } from '../../../../infra/local/processes.ts';
import { parseDocument } from '../../../../infra/local/ssm-document.ts';
import { type DocumentEnd, runDocument } from '../../../../infra/local/ssm-steps.ts';
import { namesOf } from '../../../../infra/names.ts';
import { type Architecture, parseSettings } from '../../../../infra/settings.ts';
import type { SmallRelease } from '../../../doubles/runner-release.ts';

const at = { account: '111122223333', region: 'eu-central-1' };

/** InstallRunner of the local settings, for these architectures, with other scripts in place of some of its steps'. */
export function installDocument(
  architectures: Architecture[] = ['x64', 'arm64'],
  scripts: Readonly<Record<string, string>> = {},
) {
  const settings = parseSettings({ ...localSettings(at), runner: { architectures } });
  const names = namesOf(settings);
  const content = installRunnerDocument(settings, names, at);
  const mainSteps = content.mainSteps.map((step) => {
    const script = scripts[step.name];
    return script === undefined ? step : { ...step, inputs: { ...step.inputs, runCommand: [script] } };
  });
  return parseDocument(names.installDocument, { ...content, mainSteps });
}

/** A host of the tests and what it can be asked: `root` is its /opt/holdfast, and has a space in its name. */
export function makeHost(document = installDocument()) {
  const work = mkdtempSync(join(tmpdir(), 'holdfast-install-'));
  const root = join(work, "it's a host");
  const registry = openRegistry(join(work, 'processes'));
  const downloaded: string[] = [];
  return {
    work,
    root,
    downloaded,
    /** Runs the document as the agent would; `spoil` has a hand on each file that was downloaded. */
    install: (
      { name, directory }: SmallRelease,
      spoil: (file: string, path: string) => void = () => {},
    ): Promise<DocumentEnd> => {
      downloaded.length = 0;
      const download = async (_host: string, sourceInfo: string, path: string) => {
        const file = new RegExp(`/${name}-([^/]+)$`).exec(JSON.parse(sourceInfo).path)?.[1] ?? '';
        copyFileSync(join(directory, file), path);
        chmodSync(path, 0o700);
        downloaded.push(file);
        spoil(file, path);
      };
      mkdirSync(root, { recursive: true });
      const host = { hostId: 'mi-1', root };
      const run = { id: randomUUID(), region: at.region, registry, download };
      return runDocument(host, document, { Release: name }, run).end;
    },
    close: () => rmSync(work, { recursive: true, force: true }),
  };
}

export type Host = ReturnType<typeof makeHost>;

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** The release that jobs would start with, and whether all of its files are what its list says. */
export function currentRelease(root: string): { name: string; whole: boolean } {
  const name = readlinkSync(join(root, 'current')).replace('releases/', '');
  const directory = join(root, 'releases', name);
  const list = join(directory, 'RELEASE');
  const installed = { 'runner.mjs': 'lib/runner.mjs', 'holdfast-launch': 'bin/holdfast-launch' };
  const node = { [`node-${process.arch}`]: 'bin/node' };
  const sums = new Map(
    readFileSync(list, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split('  ').reverse() as [string, string]),
  );
  const whole = Object.entries({ ...installed, ...node }).every(
    ([listed, file]) =>
      existsSync(join(directory, file)) && sha256(join(directory, file)) === sums.get(listed),
  );
  return { name, whole: whole && sha256(list) === name };
}

/** Everything below a directory: what it is, and where and when it was written. */
export function traces(directory: string): string[] {
  return readdirSync(directory, { recursive: true })
    .map(String)
    .filter((path) => !path.startsWith('var'))
    .map((path) => {
      const { ino, mode, mtimeMs } = lstatSync(join(directory, path));
      return `${path} ${ino} ${mode.toString(8)} ${mtimeMs}`;
    })
    .toSorted();
}
