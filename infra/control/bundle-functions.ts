import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type BuildOptions, buildSync } from 'esbuild';

const options = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  mainFields: ['module', 'main'],
  minify: true,
  // Stack traces name functions, for 5 % of size. A source map would add 1.3 MB to each 0.9 MB of code.
  keepNames: true,
  legalComments: 'none',
  // The error that is thrown says it all.
  logLevel: 'silent',
  outExtension: { '.js': '.mjs' },
  // Some dependencies of the SDK are CommonJS and ask for Node's own modules by require.
  banner: {
    js: "import { createRequire as holdfastRequire } from 'node:module'; const require = holdfastRequire(import.meta.url);",
  },
} satisfies BuildOptions;

/** What bundles were made from and what came out: SHA-256 of each file, by its path from the project. */
type MadeFrom = { recipe: string; inputs: Record<string, string>; bundles: Record<string, string> };

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/**
 * Makes the bundle of each `functions/<folder>/<name>.handler.ts` of a project in one run of esbuild, unless those
 * on disk are made from the very same bytes. Returns the directory of each by its name; it holds `index.mjs` and
 * nothing else. Throws esbuild's error where one does not build.
 */
export function bundleFunctions(project: string, out = join(project, 'dist/functions')): Map<string, string> {
  const files = globSync('functions/*/*.handler.ts', { cwd: project }).toSorted();
  const entries = new Map(files.map((file) => [basename(file, '.handler.ts'), file]));
  const recipe = sha256(JSON.stringify([options, files]));
  const recordFile = join(out, 'made-from.json');
  if (!isFresh(project, recordFile, recipe)) make({ project, out, recordFile, recipe, entries });
  return new Map([...entries.keys()].map((name) => [name, join(out, name)]));
}

function hashOf(file: string): string | undefined {
  try {
    return sha256(readFileSync(file));
  } catch {
    return undefined;
  }
}

/** Whether a new run would make the same: nothing that went in or came out has changed. */
function isFresh(project: string, recordFile: string, recipe: string): boolean {
  let made: MadeFrom;
  try {
    made = JSON.parse(readFileSync(recordFile, 'utf8')) as MadeFrom;
  } catch {
    return false;
  }
  const files = Object.entries({ ...made.inputs, ...made.bundles });
  return made.recipe === recipe && files.every(([file, hash]) => hashOf(resolve(project, file)) === hash);
}

/** Bundles beside their places and then moves them in, so that a reader never meets half of one. */
function make(input: {
  project: string;
  out: string;
  recordFile: string;
  recipe: string;
  entries: Map<string, string>;
}): void {
  const { project, out, recordFile, recipe, entries } = input;
  const started = Date.now();
  const draft = `${out}-${process.pid}`;
  try {
    const { metafile } = buildSync({
      ...options,
      absWorkingDir: project,
      entryPoints: Object.fromEntries([...entries].map(([name, file]) => [`${name}/index`, file])),
      outdir: draft,
      metafile: true,
    });
    const bundles = [...entries.keys()].map((name) => {
      mkdirSync(join(out, name), { recursive: true });
      const file = join(out, name, 'index.mjs');
      renameSync(join(draft, name, 'index.mjs'), file);
      return file;
    });
    const inputs = [...Object.keys(metafile.inputs), 'package-lock.json', 'tsconfig.json'];
    const hashed = (names: string[]) =>
      Object.fromEntries(names.map((file) => [file, hashOf(resolve(project, file)) ?? '']));
    const made: MadeFrom = { recipe, inputs: hashed(inputs), bundles: hashed(bundles) };
    // What was saved since the start may not be what was read: then nothing is noted, and the next run bundles anew.
    if (inputs.some((file) => statSync(resolve(project, file)).mtimeMs >= started)) return;
    writeFileSync(join(draft, 'made-from.json'), JSON.stringify(made));
    renameSync(join(draft, 'made-from.json'), recordFile);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

let ours: Map<string, string> | undefined;

/** Directory with the bundle of one of our functions; the first call of a process makes those of all. */
export function bundleOf(name: string): string {
  ours ??= bundleFunctions(resolve(import.meta.dirname, '../..'));
  const directory = ours.get(name);
  if (!directory) throw new Error(`functions/ has no ${name}.handler.ts`);
  return directory;
}
