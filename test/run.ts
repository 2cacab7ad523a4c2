import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { missingVariable, unstable } from './servers/unstable.ts';

/** What vitest's JSON report says of one run. A file that broke outside of its tests has a status and no failed test. */
type Report = {
  numPassedTests: number;
  numPendingTests: number;
  testResults: {
    name: string;
    status: 'passed' | 'failed';
    assertionResults: { fullName: string; status: string }[];
  }[];
};

type Counts = { passed: number; skipped: number; failures: string[] };

const root = join(import.meta.dirname, '..');

/** Each failed test as `file: its sentence`, and each file that broke outside of its tests. */
function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(root, name);
    const tests = assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${file}: ${test.fullName}`);
    return tests.length === 0 && status === 'failed' ? [file] : tests;
  });
}

/**
 * Runs one vitest project and returns its counts; a project that broke before it could report counts as one failure.
 * Each line that it prints begins with its name, since two of them may run side by side.
 */
async function runProject(project: string, reportFile: string): Promise<Counts> {
  const args = [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
  ];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: others.missing === null ? process.env : { ...process.env, [missingVariable]: others.missing },
  });
  createInterface({ input: child.stdout }).on('line', (line) => console.log(`${project}: ${line}`));
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const code = await new Promise<number>((resolve) => child.on('exit', (exit) => resolve(exit ?? 1)));
  process.off('SIGINT', forward).off('SIGTERM', forward);
  try {
    const report = JSON.parse(await readFile(reportFile, 'utf8')) as Report;
    const failures = failuresOf(report);
    if (failures.length === 0 && code !== 0) failures.push(`${project}: vitest ended with ${code}`);
    return { passed: report.numPassedTests, skipped: report.numPendingTests, failures };
  } catch {
    return { passed: 0, skipped: 0, failures: [`${project}: vitest made no report`] };
  }
}

/**
 * One stage after the other; what stands in one stage runs side by side. Files of the last two start servers and wait
 * for them: one file of each at a time keeps two cores busy, where one alone uses three quarters of them.
 */
const stages = [['unit'], ['properties'], ['infra'], ['faults', 'journeys']];
const wanted = process.argv.slice(2);
const others = await unstable();
console.log(
  others.missing === null
    ? `set-up: Debian unstable has MySQL ${others.mysql.version} and MariaDB ${others.mariadb.version}`
    : `set-up: ${others.missing}; the tests against MySQL and a newer MariaDB will be skipped`,
);
const reports = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
const all: Counts = { passed: 0, skipped: 0, failures: [] };
const summaries: string[] = [];

async function runAndCount(project: string): Promise<void> {
  const started = Date.now();
  const { passed, skipped, failures } = await runProject(project, join(reports, `${project}.json`));
  all.passed += passed;
  all.skipped += skipped;
  all.failures.push(...failures);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  const left = skipped > 0 ? `, ${skipped} skipped` : '';
  summaries.push(`${project}: ${passed} passed, ${failures.length} failed${left} in ${seconds} s`);
}

for (const stage of stages) {
  await Promise.all(stage.filter((p) => wanted.length === 0 || wanted.includes(p)).map(runAndCount));
}
await rm(reports, { recursive: true, force: true });
console.log(['', ...all.failures.map((failure) => `failed: ${failure}`), ...summaries].join('\n'));
if (all.skipped > 0) {
  const why = others.missing === null ? 'their own conditions, named in their files' : others.missing;
  console.log(`${all.skipped} tests were skipped: ${why}`);
}
console.log(`${all.passed} passed, ${all.failures.length} failed`);
process.exitCode = all.failures.length === 0 && all.passed > 0 ? 0 : 1;
