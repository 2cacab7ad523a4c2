import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * `node launcher.ts <file> <command> [arguments]`: runs one command with its own stdin, stdout and stderr and writes
 * what it cost (`Cost`) into the file as JSON. A process of its own, because the kernel adds up all children that a
 * process has waited for: here there is only one.
 */
export type Cost = {
  /** User and system time of the command and of every descendant that was waited for, seconds. */
  cpuSeconds: number;
  wallSeconds: number;
  /** Peak resident memory of the command's own process (VmHWM), bytes. */
  peakBytes: number;
  exitCode: number | null;
  signal: string | null;
};

/** USER_HZ: what the times in /proc count in, 100 on every Linux. */
const ticksPerSecond = 100;
const lookEveryMs = 20;

/** cutime and cstime, fields 16 and 17 of /proc/<pid>/stat (proc(5)); the name before them may hold spaces. */
function childrenSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

/** VmHWM only grows, so the last look before the end is the peak but for what the last moments added. */
function peakBytes(pid: number): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

const [file = '', command = '', ...args] = process.argv.slice(2);
const started = performance.now();
const child = spawn(command, args, { stdio: 'inherit' });
let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, peakBytes(child.pid ?? 0));
}, lookEveryMs);
child.once('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`);
  process.exit(127);
});
child.once('exit', (exitCode, signal) => {
  clearInterval(watch);
  const wallSeconds = (performance.now() - started) / 1000;
  const cost: Cost = { cpuSeconds: childrenSeconds(), wallSeconds, peakBytes: peak, exitCode, signal };
  writeFileSync(file, JSON.stringify(cost));
  process.exit(exitCode ?? 1);
});
