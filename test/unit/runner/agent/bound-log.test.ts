import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { boundLog } from '../../../../runner/agent/bound-log.ts';

it('the log of an agent that lives for years has an end, and what was before it stays beside', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bound-log-'));
  try {
    const path = join(directory, 'agent.log');
    boundLog(path, 100);
    const started = openSync(path, 'a');
    writeSync(started, `${'a'.repeat(90)}\n`);
    boundLog(path, 100);
    expect(existsSync(`${path}.1`)).toBe(false);
    writeSync(started, `${'b'.repeat(90)}\n`);
    boundLog(path, 100);
    writeSync(started, 'c\n');
    expect(readFileSync(path, 'utf8')).toBe('c\n');
    expect(readFileSync(`${path}.1`, 'utf8')).toMatch(/^a{90}\nb{90}\n$/);
    // Where the copy cannot be written, as on a full disk, what was before is given up.
    rmSync(`${path}.1`);
    mkdirSync(`${path}.1`);
    appendFileSync(path, 'd'.repeat(200));
    boundLog(path, 100);
    expect(readFileSync(path, 'utf8')).toBe('');
    rmSync(path);
    mkdirSync(path);
    expect(() => boundLog(path, -1)).not.toThrow();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
