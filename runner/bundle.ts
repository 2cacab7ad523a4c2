import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

export type RunnerBundle = { file: string; version: string; sha256: string };

const root = join(import.meta.dirname, '..');
const hashPlace = '+000000000000';

/**
 * Makes the runner one file that needs nothing but Node 24. Its version is that of the package and a hash of the
 * bundle, so that equal sources give equal bytes, and two runners of one version do the same.
 */
export async function bundleRunner(file = join(root, 'dist/runner.mjs')): Promise<RunnerBundle> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const placeholder = `${version}${hashPlace}`;
  const built = await build({
    absWorkingDir: root,
    entryPoints: ['runner/main.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    // Stack traces keep the names of functions; that costs a few per cent of size.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'error',
    define: { HOLDFAST_RUNNER_VERSION: JSON.stringify(placeholder) },
    // Some dependencies are CommonJS and call require for Node's own modules.
    banner: {
      js: "import{createRequire as holdfastRequire}from'node:module';const require=holdfastRequire(import.meta.url);",
    },
  });
  const draft = built.outputFiles[0]!.text;
  const full = `${version}+${createHash('sha256').update(draft).digest('hex').slice(0, 12)}`;
  const text = draft.replaceAll(placeholder, full);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return { file, version: full, sha256: createHash('sha256').update(text).digest('hex') };
}

if (import.meta.main) {
  const { file, version, sha256 } = await bundleRunner(process.argv[2]);
  console.log(`${file} is runner ${version}, sha256 ${sha256}`);
}
