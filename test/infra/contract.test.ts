import { spawn } from 'node:child_process';
import { join } from 'node:path';
import aslValidator from 'asl-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localSettings } from '../../infra/local/local-settings.ts';
import { policyCases } from '../contract/policies.ts';
import { stateCases } from '../contract/states.ts';
import { type ContractService, startContractService } from '../doubles/contract-service.ts';
import { graphsOf } from './asl-rules.ts';
import { deployed } from './policies/deployed.ts';
import { definitionsOf, synthesized } from './synthesized.ts';

// `npm run contract` needs an account. Here it is run, as it is, against a service that answers as AWS is documented:
// with the rules of the states language and of IAM. What it shows is that the requests can be made and are judged.
const root = join(import.meta.dirname, '../..');
const settings = localSettings({ account: '111122223333', region: 'eu-central-1' });
const all = deployed(settings);
const definitions = Object.entries(definitionsOf(synthesized(settings)[all.names.controlStack]!));

type Run = { status: number | null; stdout: string; stderr: string };

/** The program as the script starts it, with nothing in its environment but the given. */
function contract(environment: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, [join(root, 'test/contract/run.ts')], {
    cwd: root,
    env: { HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true', ...environment },
  });
  const run: Run = { status: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    run.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    run.stderr += text;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ ...run, status })));
}

let aws: ContractService;
beforeAll(async () => {
  aws = await startContractService(all, (definition) => {
    const { isValid, errorsText } = aslValidator(definition);
    return isValid ? [] : [errorsText()];
  });
});
afterAll(() => aws.stop());

const account = () => ({
  AWS_ENDPOINT_URL: aws.endpoint,
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
});

describe('npm run contract', () => {
  it('says what it needs where there are no credentials, and does not end well', async () => {
    const without = await contract({ AWS_REGION: 'eu-central-1' });
    expect(without.status).toBe(2);
    expect(without.stderr).toContain('there are no credentials that work');
    expect(without.stderr).toContain('states:TestState');
    const nowhere = await contract({});
    expect(nowhere).toMatchObject({ status: 2, stderr: expect.stringContaining('AWS_REGION is not set') });
  });

  it('is not for build machines', async () => {
    const run = await contract({ ...account(), CI: 'true' });
    expect(run).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('CI is set') });
  });

  it('asks about every definition, state and policy, and finds no difference to what is documented', async () => {
    const { status, stdout, stderr } = await contract(account());
    expect({ stderr, different: stdout.split('\n').filter((line) => /DIFFERS|expected/.test(line)) }).toEqual(
      {
        stderr: '',
        different: [],
      },
    );
    expect(status).toBe(0);
    const states = definitions.flatMap(([machine, definition]) => stateCases(machine, definition));
    const asked = definitions.length + states.length + policyCases(all).length;
    expect(stdout).toContain(`${asked} asked, 0 differ`);
    const operations = new Set(aws.requests.map(({ operation }) => operation));
    expect(operations).toEqual(
      new Set(['GetCallerIdentity', 'ValidateStateMachineDefinition', 'TestState', 'SimulateCustomPolicy']),
    );
  });

  it('tells every difference, and does not end well', async () => {
    aws.lies = true;
    const { status, stdout } = await contract(account());
    aws.lies = false;
    expect(status).toBe(1);
    expect(stdout).toContain('DIFFERS holdfast-backup: the definition');
    expect(stdout).toMatch(/DIFFERS holdfast-backup: Is there a plan\?/);
    expect(stdout).toMatch(/DIFFERS policy: a host overwrites\n +expected .*explicitDeny.*allowed/);
  });
});

describe('what it asks', () => {
  it('covers every state of every machine, each case of every choice, and both ways of every task and map', () => {
    for (const [machine, definition] of definitions) {
      const cases = stateCases(machine, definition).map(({ name }) => name);
      for (const [name, state] of graphsOf(definition).flatMap(({ graph }) => Object.entries(graph.States))) {
        const own = cases.filter((c) => c.startsWith(`${machine}: ${name}: `));
        const least = {
          Map: state.Catch ? 2 : 1,
          Task: state.Catch ? 2 : 1,
          Choice: (state.Choices?.length ?? 0) + 1,
        }[state.Type as 'Map' | 'Task' | 'Choice'];
        expect(own.length, name).toBeGreaterThanOrEqual(least ?? 1);
      }
    }
  });
});
