import { z } from 'zod';
import {
  type Command,
  cancelCommand,
  findCommand,
  type Invocation,
  type SsmState,
  sendCommand,
} from './ssm-commands.ts';
import { SsmError } from './ssm-error.ts';

const commandIdSchema = z.looseObject({ CommandId: z.string(), InstanceId: z.string().optional() });
const filterSchema = z.looseObject({
  Filters: z.array(z.looseObject({ Key: z.string(), Values: z.array(z.string()) })).default([]),
});

/**
 * The operations we answer ourselves, by name. Each throws an SsmError for what AWS refuses; their shapes follow
 * the SSM API reference, instants as seconds since 1970.
 */
export const operations: Record<string, ((state: SsmState, input: unknown) => unknown) | undefined> = {
  SendCommand: (state, input) => ({ Command: commandShape(sendCommand(state, input)) }),
  GetCommandInvocation: (state, input) => {
    const { CommandId, InstanceId } = commandIdSchema.parse(input);
    const invocation = state.commands.get(CommandId)?.invocations.get(InstanceId ?? '');
    if (!invocation) throw new SsmError('InvocationDoesNotExist', `${CommandId} on ${InstanceId}`);
    return invocationShape(invocation);
  },
  ListCommandInvocations: (state, input) => {
    const { CommandId, InstanceId } = commandIdSchema.partial().parse(input);
    const commands = CommandId === undefined ? [...state.commands.values()] : [findCommand(state, CommandId)];
    const all = commands.flatMap((command) => [...command.invocations.values()]);
    const chosen = all.filter(({ hostId }) => InstanceId === undefined || hostId === InstanceId);
    return { CommandInvocations: chosen.map(listedShape) };
  },
  CancelCommand: async (state, input) => {
    await cancelCommand(state, commandIdSchema.parse(input).CommandId);
    return {};
  },
  DescribeInstanceInformation: (state, input) => {
    const wanted = filterSchema.parse(input).Filters.find(({ Key }) => Key === 'InstanceIds')?.Values;
    const hosts = [...state.hosts.values()].filter(({ hostId }) => !wanted || wanted.includes(hostId));
    return {
      InstanceInformationList: hosts.map(({ hostId, online }) => ({
        InstanceId: hostId,
        PingStatus: online ? 'Online' : 'ConnectionLost',
        LastPingDateTime: seconds(new Date()),
        // ENV_VAR parameters need an agent of 3.3.2746.0 or later.
        AgentVersion: '3.3.2746.0',
        PlatformType: 'Linux',
        ResourceType: hostId.startsWith('mi-') ? 'ManagedInstance' : 'EC2Instance',
        ComputerName: hostId,
        IPAddress: '127.0.0.1',
      })),
    };
  },
};

function commandShape(command: Command): Record<string, unknown> {
  return {
    CommandId: command.commandId,
    DocumentName: command.document.name,
    Comment: command.comment,
    ExpiresAfter: seconds(new Date(command.requestedAt.getTime() + command.deliverySeconds * 1000)),
    Parameters: command.parameters,
    InstanceIds: [...command.invocations.keys()],
    RequestedDateTime: seconds(command.requestedAt),
    Status: 'Pending',
    StatusDetails: 'Pending',
    TargetCount: command.invocations.size,
    TimeoutSeconds: command.deliverySeconds,
  };
}

function listedShape(invocation: Invocation): Record<string, unknown> {
  return {
    CommandId: invocation.commandId,
    InstanceId: invocation.hostId,
    Comment: invocation.comment,
    DocumentName: invocation.documentName,
    RequestedDateTime: seconds(invocation.requestedAt),
    Status: invocation.status,
    StatusDetails: invocation.details,
  };
}

function invocationShape(invocation: Invocation): Record<string, unknown> {
  const { startedAt, endedAt } = invocation;
  return {
    CommandId: invocation.commandId,
    InstanceId: invocation.hostId,
    Comment: invocation.comment,
    DocumentName: invocation.documentName,
    PluginName: 'aws:runShellScript',
    ResponseCode: invocation.responseCode,
    ExecutionStartDateTime: startedAt?.toISOString() ?? '',
    ExecutionEndDateTime: endedAt?.toISOString() ?? '',
    Status: invocation.status,
    StatusDetails: invocation.details,
    StandardOutputContent: invocation.stdout,
    StandardErrorContent: invocation.stderr,
  };
}

function seconds(instant: Date): number {
  return instant.getTime() / 1000;
}
