import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type TaskCall = {
  action: 'SendTaskHeartbeat' | 'SendTaskSuccess' | 'SendTaskFailure';
  taskToken: string;
  output?: string;
  error?: string;
  cause?: string;
};

/**
 * The callback half of Step Functions over HTTP (AWS JSON 1.0), with what the emulator lacks: tokens that time out.
 * A token not in `tokens` answers InvalidToken; one that is `timed-out`, or was answered before, TaskTimedOut.
 */
export async function startStepFunctions() {
  const tokens = new Map<string, 'waiting' | 'timed-out' | 'answered'>();
  const calls: TaskCall[] = [];
  /** Requests to answer with a server error or to cut before the answer, counted down. */
  const faults = { unavailable: 0, lost: 0 };
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const action = String(request.headers['x-amz-target']).split('.')[1] as TaskCall['action'];
    const call = { action, ...JSON.parse(Buffer.concat(body).toString()) } as TaskCall;
    calls.push(call);
    const answer = (status: number, content: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify(content));
    };
    if (faults.unavailable > 0) {
      faults.unavailable--;
      answer(503, { __type: 'ServiceUnavailable', message: 'try again' });
      return;
    }
    const state = tokens.get(call.taskToken);
    if (state === undefined) {
      answer(400, { __type: 'com.amazonaws.swf.service.v2.model#InvalidToken', message: 'Invalid Token' });
    } else if (state !== 'waiting') {
      answer(400, { __type: 'com.amazonaws.swf.service.v2.model#TaskTimedOut', message: 'Task Timed Out' });
    } else {
      if (action !== 'SendTaskHeartbeat') tokens.set(call.taskToken, 'answered');
      if (faults.lost > 0) {
        faults.lost--;
        response.socket?.destroy();
        return;
      }
      answer(200, {});
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tokens,
    calls,
    faults,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type StepFunctionsDouble = Awaited<ReturnType<typeof startStepFunctions>>;
