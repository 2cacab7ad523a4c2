/** One named pipe that the child makes at `path` and writes to beside its stdout; the rest is as of stdout. */
export type ChildFifo = {
  path: string;
  onBytes: (bytes: Buffer) => void | Promise<void>;
  into?: () => Buffer | undefined;
};

/** How to run one tool. Arguments are an array; nothing passes through a shell. */
export type ChildSpec = {
  command: string;
  args: string[];
  /** Whole environment of the child; default is PATH, LANG=C and TZ=UTC only. Never secrets. */
  env?: Record<string, string>;
  /** Name of the time zone that it lives in; UTC unless it is given. */
  zone?: string;
  cwd?: string;
  /**
   * Gets stdout in order; the child waits while the promise is pending, and the bytes are gone after it. Without it
   * stdout is kept in `stdout` (1 MiB at most).
   */
  onStdout?: (bytes: Buffer) => void | Promise<void>;
  /** Told once the child runs. */
  onStart?: (pid: number) => void;
  /** Where the next read of stdout may put its bytes, so that `onStdout` need not copy them; asked when none are on their way. */
  stdoutInto?: () => Buffer | undefined;
  /** Named pipes of the child's; each is read to its end, also where the child never opened it. */
  fifos?: ChildFifo[];
  /** Each line of stderr, as it comes; stderr is always drained, whatever this does. */
  onStderrLine?: (line: string) => void;
  stdin?: AsyncIterable<Buffer>;
  /** Seconds without a byte on stdout, a named pipe, stderr or stdin until the group is killed with `Backup.Stalled`. */
  stallSeconds?: number;
  /** Milliseconds between SIGTERM and SIGKILL when the group is ended; 0 for a tool whose locks must not wait. */
  graceMs?: number;
  /** Runs the child as this operating-system user. */
  user?: string;
  signal?: AbortSignal;
};

export type ChildEnd = {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The first thing that went wrong (an abort's reason, a stall, a failing onStdout), not what followed from it. */
  firstCause: Error | undefined;
  stdout: string;
  /** Last lines of stderr, 64 KiB at most. */
  stderrTail: string[];
};

export type RunChild = (spec: ChildSpec) => Promise<ChildEnd>;
