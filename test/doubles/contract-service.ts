import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decide, type PolicyStatement } from '../infra/policies/decide.ts';
import type { Deployed } from '../infra/policies/deployed.ts';
import type { Definition } from '../infra/synthesized.ts';
import { type TestedState, testState } from './states-language.ts';

const statements = (text: string | null) =>
  JSON.parse(text ?? '{"Statement":[]}').Statement as PolicyStatement[];

/** `member.1.Field` of a form, by number. */
function members(form: URLSearchParams, list: string, field: string): string[] {
  const found = [];
  for (let i = 1; form.has(`${list}.member.${i}${field}`); i++)
    found.push(form.get(`${list}.member.${i}${field}`) ?? '');
  return found;
}

/** What IAM's simulator says, by the rules of the evaluator. */
function simulated(form: URLSearchParams, account: string): string {
  const keys = members(form, 'ContextEntries', '.ContextKeyName');
  const context = Object.fromEntries(
    keys.map((key, at) => {
      const values = members(form, `ContextEntries.member.${at + 1}.ContextKeyValues`, '');
      const isList = form.get(`ContextEntries.member.${at + 1}.ContextKeyType`)?.endsWith('List');
      return [key, isList ? values : values[0]!];
    }),
  );
  const limit = members(form, 'PermissionsBoundaryPolicyInputList', '')[0];
  const verdict = decide(
    {
      principal: form.get('CallerArn') ?? '',
      action: form.get('ActionNames.member.1') ?? '',
      resource: form.get('ResourceArns.member.1') ?? '',
      context,
    },
    {
      identity: members(form, 'PolicyInputList', '').flatMap(statements),
      resource: statements(form.get('ResourcePolicy')),
      ...(limit ? { session: statements(limit) } : {}),
      owner: form.get('ResourceOwner')?.split(':')[4] ?? account,
    },
  );
  return verdict === 'allowed' ? 'allowed' : verdict === 'not allowed' ? 'implicitDeny' : 'explicitDeny';
}

/**
 * The four operations that `npm run contract` asks of AWS, answered by the rules of the states language and of IAM.
 * While it `lies`, it answers everything the other way.
 */
export async function startContractService(all: Deployed, validate: (definition: Definition) => string[]) {
  const { account } = all.settings.control;
  const requests: { operation: string }[] = [];
  const service = { lies: false };
  const answer = async (
    target: string,
    body: string,
  ): Promise<{ operation: string; type: string; text: string }> => {
    const json = (operation: string, value: object) => ({
      operation,
      type: 'application/x-amz-json-1.0',
      text: JSON.stringify(value),
    });
    if (target.endsWith('.ValidateStateMachineDefinition')) {
      const found = service.lies ? ['it lies'] : validate(JSON.parse(JSON.parse(body).definition));
      return json('ValidateStateMachineDefinition', {
        result: found.length === 0 ? 'OK' : 'FAIL',
        diagnostics: found.map((message) => ({
          severity: 'ERROR',
          code: 'SCHEMA_VALIDATION_FAILED',
          message,
          location: '/',
        })),
      });
    }
    if (target.endsWith('.TestState')) {
      const tested = await testState(JSON.parse(body) as TestedState);
      return json('TestState', service.lies ? { ...tested, nextState: 'Elsewhere' } : tested);
    }
    const form = new URLSearchParams(body);
    const operation = form.get('Action') ?? '';
    const result =
      operation === 'GetCallerIdentity'
        ? `<Account>${account}</Account><Arn>arn:aws:iam::${account}:user/contract</Arn><UserId>AIDAEXAMPLE</UserId>`
        : `<EvaluationResults><member><EvalActionName>x</EvalActionName><EvalDecision>${
            service.lies ? 'allowed' : simulated(form, account)
          }</EvalDecision></member></EvaluationResults><IsTruncated>false</IsTruncated>`;
    const text = `<${operation}Response><${operation}Result>${result}</${operation}Result></${operation}Response>`;
    return { operation, type: 'text/xml', text };
  };
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const target = String(request.headers['x-amz-target'] ?? '');
    const { operation, type, text } = await answer(target, Buffer.concat(parts).toString());
    requests.push({ operation });
    response.writeHead(200, { 'content-type': type });
    response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(service, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

export type ContractService = Awaited<ReturnType<typeof startContractService>>;
