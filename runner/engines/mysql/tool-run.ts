import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import type { ChildEnd } from '../../host/child.ts';
import { earlyEndBytes } from '../../stream/frames.ts';
import type { EngineContext, StreamSink } from '../engine.ts';
import { proveLocksGone } from './backup-locks.ts';
import { fifoPath, makeMarkRemover } from './fifo-streams.ts';
import { makeLockBudget } from './lock-budget.ts';
import type { Login } from './login.ts';
import type { Session } from './session.ts';
import type { Tool } from './tools/tool.ts';
import type { XbstreamEvent, XbstreamFlavour } from './xbstream/events.ts';
import { chunkRow } from './xbstream/index-rows.ts';
import { joinStates, type StreamState } from './xbstream/join-states.ts';
import { makeXbstreamParser } from './xbstream/parser.ts';
import type { XbstreamState } from './xbstream/state.ts';

/** `parts`: what each stream held, `state` what they hold together. */
export type ToolRun = {
  end: ChildEnd;
  parts: [StreamState, ...StreamState[]];
  state: XbstreamState;
  lockSeconds: number;
};

/** The way of one of the tool's streams into the store. */
export type OpenedStream = { stream: string; sink: StreamSink };

/** How long emptying the buffer may hold the tool up: redo must go on being copied meanwhile (M07). */
const drainSeconds = 10;

/** Bytes that follow the header and belong to no chunk: 8 magic, flags, type, 4 of path length, then the path. */
const endChunkBytes = (path: string) => 14 + Buffer.byteLength(path);

/**
 * Takes the tool's stdout: the same bytes go into the parser and into the sink. What the parser finds becomes index
 * rows, and the places where a frame may end.
 */
export function makeStreamTee(sink: StreamSink, flavour: XbstreamFlavour = 'mariadb', stream = 'main') {
  const cuts: number[] = [];
  let written = 0;
  let lastCut = 0;
  const onEvent = (event: XbstreamEvent) => {
    if (event.kind === 'chunk') {
      sink.row(chunkRow(stream, event));
      cuts.push(event.streamOffset + event.length);
    } else if (event.kind === 'end') {
      cuts.push(event.headerOffset + endChunkBytes(event.path));
    }
  };
  const parser = makeXbstreamParser(flavour, onEvent);

  const cutAndWrite = async (bytes: Buffer, begin: number) => {
    let rest = bytes;
    for (const cut of cuts.splice(0)) {
      if (cut - lastCut < earlyEndBytes) continue;
      lastCut = cut;
      const before = rest.subarray(0, cut - begin - (bytes.length - rest.length));
      rest = rest.subarray(before.length);
      if (before.length > 0) {
        const waiting = sink.write(before);
        if (waiting !== undefined) {
          // What landed in the sink's own memory is there no longer when others have had their turn.
          rest = Buffer.from(rest);
          await waiting;
        }
      }
      sink.fileBoundary();
    }
    if (rest.length > 0) await sink.write(rest);
  };

  return {
    state: parser.state,
    bytes: () => written,
    /** Gives a promise only where there is something to wait for. */
    take(bytes: Buffer): void | Promise<void> {
      const failure = parser.push(bytes);
      if (failure !== undefined) {
        throw new NamedError(
          'Backup.Incomplete',
          `the tool's stream is broken at byte ${failure.streamOffset}: ${failure.fault}: ${failure.detail}`,
          { fault: failure.fault, streamOffset: failure.streamOffset },
        );
      }
      const begin = written;
      written += bytes.length;
      if (cuts.length === 0) return sink.write(bytes, parser.crc());
      return cutAndWrite(bytes, begin);
    },
  };
}

/** The end of the tool as a named error, when it was not a good one. */
function failureOf(tool: Tool, end: ChildEnd, overrun: string | undefined): NamedError | Error | undefined {
  const lines = end.stderrTail.filter((line) => !tool.isFileLine(line)).slice(-12);
  if (overrun !== undefined) {
    return new NamedError(
      'Backup.RedoOverrun',
      `the server overwrote redo before it was copied: ${overrun}; a larger ${tool.redoVariable}, a quieter time or a faster way to the store is needed`,
      { line: overrun.slice(0, 300) },
    );
  }
  if (end.firstCause !== undefined && end.firstCause instanceof NamedError) return end.firstCause;
  if (end.exitCode === 0 && end.firstCause === undefined) return undefined;
  // What it says of its settings comes first and is long; what went wrong must be seen.
  const causes = lines.filter(
    (line) => /error|fatal|fail|cannot|unable/i.test(line) && !/setrlimit/.test(line),
  );
  const how = end.signal === null ? `with code ${end.exitCode}` : `by ${end.signal}`;
  return new NamedError(
    'Backup.ToolFailed',
    `${tool.name} ended ${how}${end.firstCause ? ` (${end.firstCause.message})` : ''}: ${(causes.length > 0 ? causes : lines).join(' | ').slice(-3000)}`,
    { exitCode: end.exitCode, signal: end.signal },
  );
}

/**
 * Runs the tool into the sinks, its stdout into the one or its named pipes into each, under the lock budget. Whatever
 * ends it early, its server sessions and locks are proved gone before this returns or throws (F15).
 */
export async function runTool(
  order: BackupOrder,
  { tool, args, fifoDirectory }: { tool: Tool; args: string[]; fifoDirectory: string },
  streams: [OpenedStream, ...OpenedStream[]],
  { login, session }: { login: Login; session: Session },
  context: EngineContext,
): Promise<ToolRun> {
  const { policy, plan } = order;
  const stop = new AbortController();
  const budget = makeLockBudget(
    { commitSeconds: policy.lockBudgetSeconds, ddlSeconds: policy.ddlLockBudgetSeconds },
    (error) => stop.abort(error),
  );
  const tees = streams.map(({ stream, sink }) => makeStreamTee(sink, tool.stream, stream));
  const each = <T>(of: (sink: StreamSink) => T) => streams.map(({ sink }) => of(sink));
  let emptied = false;
  let emptying: Promise<void> | undefined;
  let overrun: string | undefined;

  // Before locks that are felt, the buffer is emptied; from the first one on a stall of the store is the spool's
  // (M06). The spool is not used earlier: a large file may still be on its way and would fill it.
  const emptyBuffer = () => {
    if (emptied) return;
    emptied = true;
    const drained = Promise.all(each((sink) => sink.drain()));
    emptying = Promise.race([drained, sleep(drainSeconds * 1000, undefined, { ref: false })]).then(() => {
      emptying = undefined;
    });
    emptying.catch((error: unknown) => stop.abort(error));
  };
  const take = (n: number, bytes: Buffer) => {
    const streamed = tees.reduce((sum, tee) => sum + tee.bytes(), 0);
    context.progress('streaming', streamed, plan.expectedBytes);
    return emptying === undefined ? tees[n]!.take(bytes) : emptying.then(() => tees[n]!.take(bytes));
  };
  const fifos = streams.map(({ sink }, n) => {
    const withoutMark = makeMarkRemover();
    let begun = false;
    return {
      path: fifoPath(fifoDirectory, n),
      onBytes: (bytes: Buffer) => {
        const rest = withoutMark(bytes);
        begun ||= rest.length > 0;
        return rest.length === 0 ? undefined : take(n, rest);
      },
      into: () => (begun ? sink.landing?.() : undefined),
    };
  });
  let end: ChildEnd;
  try {
    end = await context.runChild({
      command: tool.name,
      args,
      stallSeconds: policy.stallSeconds,
      // On SIGTERM it waits for its blocked writes, and the server for it; it leaves nothing that needs tidying.
      graceMs: 0,
      signal: AbortSignal.any([context.signal, stop.signal]),
      ...(plan.fifoStreams === undefined
        ? {
            onStdout: (bytes: Buffer) => take(0, bytes),
            stdoutInto: () => streams[0].sink.landing?.(),
          }
        : { fifos }),
      onStderrLine: (line) => {
        const stage = tool.stageOf(line);
        if (stage !== undefined) {
          if (stage === 'ending-copy') emptyBuffer();
          if (stage === tool.spoolsAt) each((sink) => sink.spool(true));
          // Where the applier stands, DDL comes from nobody and waits for nothing.
          const stands = plan.role === 'replica' && plan.stopApplier;
          if (stage !== 'ddl' || tool.spoolsAt === 'ddl' || !stands) budget.enter(stage);
        }
        if (tool.saysRedoOverrun(line)) overrun ??= line;
        if (!tool.isFileLine(line)) context.log(line.slice(0, 1000), { from: tool.name });
      },
    });
  } finally {
    budget.end();
  }
  const failure = failureOf(tool, end, overrun);
  if (failure !== undefined) {
    await proveLocksGone(login, session, context.log, failure);
    throw failure;
  }
  each((sink) => sink.spool(false));
  const stateOf = (n: number): StreamState => ({ stream: streams[n]!.stream, state: tees[n]!.state() });
  const parts: ToolRun['parts'] = [stateOf(0), ...streams.slice(1).map((_, n) => stateOf(n + 1))];
  return { end, parts, state: joinStates(parts), lockSeconds: budget.seconds().commit };
}
