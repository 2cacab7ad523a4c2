import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What vitest's JSON report says of one run. */
type Report = {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  success: boolean;
};

const root = join(import.meta.dirname, '..');

/** Runs one vitest project and returns its counts; a project that broke before it could report counts as one failure. */
async function runProject(project: string, reportFile: string): Promise<{ passed: number; failed: number }> {
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
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const code = await new Promise<number>((resolve) => child.on('exit', (exit) => resolve(exit ?? 1)));
  process.off('SIGINT', forward).off('SIGTERM', forward);
  try {
    const report = JSON.parse(await readFile(reportFile, 'utf8')) as Report;
    const broken = report.numFailedTests === 0 && code !== 0 ? Math.max(1, report.numFailedTestSuites) : 0;
    return { passed: report.numPassedTests, failed: report.numFailedTests + broken };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const wanted = process.argv.slice(2);
const projects = ['unit', 'properties', 'infra', 'journeys'].filter(
  (p) => wanted.length === 0 || wanted.includes(p),
);
const reports = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
let passed = 0;
let failed = 0;
for (const project of projects) {
  const started = Date.now();
  const counts = await runProject(project, join(reports, `${project}.json`));
  passed += counts.passed;
  failed += counts.failed;
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  console.log(`${project}: ${counts.passed} passed, ${counts.failed} failed in ${seconds} s\n`);
}
await rm(reports, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
