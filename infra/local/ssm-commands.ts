import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { LocalHost } from './host.ts';
import type { ProcessRegistry } from './processes.ts';
import { type CommandDocument, resolveParameters } from './ssm-document.ts';
import { SsmError } from './ssm-error.ts';
import { type Download, runDocument } from './ssm-steps.ts';

/** One command on one host. Status and details use the API's words. */
export type Invocation = {
  commandId: string;
  hostId: string;
  documentName: string;
  comment: string;
  requestedAt: Date;
  startedAt?: Date;
  endedAt?: Date;
  status: 'Pending' | 'InProgress' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';
  details: string;
  responseCode: number;
  stdout: string;
  stderr: string;
  /** How often the host was given it; 2 under the fault of the same name. */
  deliveries: number;
};

export type Command = {
  commandId: string;
  document: CommandDocument;
  values: Record<string, string>;
  parameters: Record<string, string[]>;
  comment: string;
  deliverySeconds: number;
  requestedAt: Date;
  invocations: Map<string, Invocation>;
};

/** Faults for the next commands; each counts down by one per SendCommand. */
export type SsmFaults = {
  /** Accepted, never delivered: Pending until its delivery timeout. */
  lose: number;
  deliverTwice: number;
  /** SendCommand answers ThrottlingException. */
  throttle: number;
  /** An agent that knows no parameters in the environment runs the script without them. */
  oldAgent: number;
  /** Milliseconds before delivery; stays until set to 0. */
  delayMs: number;
  /** Replaces the delivery timeout of commands sent from now on; AWS takes no less than 30 s. */
  deliverySeconds: number | undefined;
  /** Hears of each of these where it strikes, and of a command that finds its host offline. */
  struck: ((fault: StrikingFault, command: Command) => void) | undefined;
};

export type StrikingFault = 'lose' | 'deliverTwice' | 'throttle' | 'oldAgent' | 'delay' | 'offline';

export const noFaults = (): SsmFaults => ({
  lose: 0,
  deliverTwice: 0,
  throttle: 0,
  oldAgent: 0,
  delayMs: 0,
  deliverySeconds: undefined,
  struck: undefined,
});

export type SsmState = {
  region: string;
  registry: ProcessRegistry;
  hosts: Map<string, LocalHost & { online: boolean }>;
  documents: Map<string, CommandDocument>;
  commands: Map<string, Command>;
  download: Download;
  faults: SsmFaults;
  /** Ends every script that still runs. */
  running: Set<() => Promise<void>>;
};

const sendCommandSchema = z.looseObject({
  DocumentName: z.string(),
  InstanceIds: z.array(z.string()).min(1).max(50),
  Parameters: z.record(z.string(), z.array(z.string())).default({}),
  TimeoutSeconds: z.number().int().min(30).max(2_592_000).default(3600),
  Comment: z.string().max(100).default(''),
});

const OFFLINE_POLL_MS = 200;

/** SendCommand: checks what AWS checks before it accepts, then delivers without waiting. */
export function sendCommand(state: SsmState, input: unknown): Command {
  const parsed = sendCommandSchema.safeParse(input);
  if (!parsed.success) throw new SsmError('ValidationException', z.prettifyError(parsed.error));
  const { DocumentName, InstanceIds, Parameters, TimeoutSeconds, Comment } = parsed.data;
  const document = state.documents.get(DocumentName);
  if (!document) throw new SsmError('InvalidDocument', `Document with name ${DocumentName} does not exist.`);
  const unknown = InstanceIds.filter((hostId) => !state.hosts.has(hostId));
  if (unknown.length > 0) {
    throw new SsmError(
      'InvalidInstanceId',
      `Instances [[${unknown.join(', ')}]] not in a valid state for account`,
    );
  }
  const command: Command = {
    commandId: randomUUID(),
    document,
    values: resolveParameters(document, Parameters),
    parameters: Parameters,
    comment: Comment,
    deliverySeconds: state.faults.deliverySeconds ?? TimeoutSeconds,
    requestedAt: new Date(),
    invocations: new Map(),
  };
  if (countDown(state.faults, 'throttle', command)) {
    throw new SsmError('ThrottlingException', 'Rate exceeded');
  }
  state.commands.set(command.commandId, command);
  const lost = countDown(state.faults, 'lose', command);
  const times = countDown(state.faults, 'deliverTwice', command) ? 2 : 1;
  if (countDown(state.faults, 'oldAgent', command)) command.values = {};
  for (const hostId of InstanceIds) {
    const invocation = newInvocation(command, hostId);
    command.invocations.set(hostId, invocation);
    void deliver(state, command, invocation, lost ? 0 : times);
  }
  return command;
}

/** CancelCommand: stops what runs; what was not delivered yet never will be. */
export async function cancelCommand(state: SsmState, commandId: string): Promise<void> {
  for (const invocation of findCommand(state, commandId).invocations.values()) {
    if (invocation.status === 'Pending') finish(invocation, 'Cancelled', 'Cancelled', -1);
    if (invocation.status !== 'InProgress') continue;
    finish(invocation, 'Cancelled', 'Cancelled', -1);
    await cancels.get(invocation)?.();
  }
}

export function findCommand(state: SsmState, commandId: string): Command {
  const command = state.commands.get(commandId);
  if (!command) throw new SsmError('InvalidCommandId', `no command ${commandId}`);
  return command;
}

/** Takes one from a countdown; whether there was one to take. */
function countDown(
  faults: SsmFaults,
  kind: 'lose' | 'deliverTwice' | 'throttle' | 'oldAgent',
  command: Command,
): boolean {
  if (faults[kind] <= 0) return false;
  faults[kind] -= 1;
  faults.struck?.(kind, command);
  return true;
}

function newInvocation(command: Command, hostId: string): Invocation {
  return {
    commandId: command.commandId,
    hostId,
    documentName: command.document.name,
    comment: command.comment,
    requestedAt: command.requestedAt,
    status: 'Pending',
    details: 'Pending',
    responseCode: -1,
    stdout: '',
    stderr: '',
    deliveries: 0,
  };
}

const cancels = new WeakMap<Invocation, () => Promise<void>>();

async function deliver(
  state: SsmState,
  command: Command,
  invocation: Invocation,
  times: number,
): Promise<void> {
  const expires = command.requestedAt.getTime() + command.deliverySeconds * 1000;
  const delivered = times > 0 && (await reachHost(state, command, invocation, expires));
  if (invocation.status !== 'Pending') return;
  if (!delivered) {
    await sleep(Math.max(0, expires - Date.now()), undefined, { ref: false });
    if (invocation.status === 'Pending') finish(invocation, 'TimedOut', 'DeliveryTimedOut', -1);
    return;
  }
  await Promise.all(Array.from({ length: times }, () => runOnce(state, command, invocation)));
}

/** Waits out the delay and until the host is online; false when the delivery timeout comes first. */
async function reachHost(
  state: SsmState,
  command: Command,
  invocation: Invocation,
  expires: number,
): Promise<boolean> {
  if (state.faults.delayMs > 0) {
    state.faults.struck?.('delay', command);
    await sleep(state.faults.delayMs, undefined, { ref: false });
  }
  if (!state.hosts.get(invocation.hostId)?.online) state.faults.struck?.('offline', command);
  while (Date.now() < expires && invocation.status === 'Pending') {
    if (state.hosts.get(invocation.hostId)?.online) return true;
    await sleep(OFFLINE_POLL_MS, undefined, { ref: false });
  }
  return false;
}

async function runOnce(state: SsmState, command: Command, invocation: Invocation): Promise<void> {
  const host = state.hosts.get(invocation.hostId);
  if (!host) return;
  invocation.deliveries += 1;
  invocation.status = 'InProgress';
  invocation.details = 'InProgress';
  invocation.startedAt ??= new Date();
  const run = runDocument(host, command.document, command.values, {
    id: `${command.commandId}-${invocation.deliveries}`,
    region: state.region,
    registry: state.registry,
    download: state.download,
  });
  cancels.set(invocation, run.cancel);
  state.running.add(run.cancel);
  const end = await run.end;
  state.running.delete(run.cancel);
  if (invocation.status !== 'InProgress') return;
  invocation.stdout = end.stdout;
  invocation.stderr = end.stderr;
  if (end.timedOut) finish(invocation, 'TimedOut', 'ExecutionTimedOut', -1);
  else finish(invocation, end.status, end.status, end.exitCode);
}

function finish(invocation: Invocation, status: Invocation['status'], details: string, code: number): void {
  invocation.status = status;
  invocation.details = details;
  invocation.responseCode = code;
  invocation.endedAt = new Date();
}
