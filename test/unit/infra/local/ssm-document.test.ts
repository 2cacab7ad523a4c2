import { describe, expect, it } from 'vitest';
import {
  documentsOfTemplate,
  parseDocument,
  resolveParameters,
  type ShellStep,
  scriptOf,
} from '../../../../infra/local/ssm-document.ts';

const content = {
  schemaVersion: '2.2',
  parameters: {
    jobId: { type: 'String', allowedPattern: '^[A-Za-z0-9-]{1,64}$', interpolationType: 'ENV_VAR' },
    mode: { type: 'String', default: 'fast', allowedValues: ['fast', 'slow'] },
  },
  mainSteps: [
    {
      action: 'aws:runShellScript',
      name: 'run',
      inputs: { runCommand: ['echo "$SSM_jobId" {{ mode }} {{jobId}}', 'exit 0'], timeoutSeconds: '60' },
    },
  ],
};
const document = parseDocument('Launch', content);
const [step] = document.content.mainSteps as [ShellStep];

describe('a command document', () => {
  it('is read from a template, as an object or as JSON text', () => {
    const template = {
      Resources: {
        A: { Type: 'AWS::SSM::Document', Properties: { Name: 'Launch', Content: content } },
        B: { Type: 'AWS::SSM::Document', Properties: { Name: 'Text', Content: JSON.stringify(content) } },
        C: { Type: 'AWS::S3::Bucket' },
      },
    };
    const found = documentsOfTemplate(template);
    expect(found.map(({ name }) => name)).toEqual(['Launch', 'Text']);
    expect(found[0]?.content.mainSteps).toMatchObject([{ inputs: { timeoutSeconds: 60 } }]);
    expect(found[1]?.content).toEqual(found[0]?.content);
  });

  it('is refused with the path of what is wrong', () => {
    const twoSteps = { ...content, mainSteps: [...content.mainSteps, ...content.mainSteps] };
    expect(() => parseDocument('Launch', { ...content, schemaVersion: '1.2' })).toThrow(/schemaVersion/);
    expect(() => parseDocument('Launch', twoSteps)).toThrow(/mainSteps/);
  });

  it('whose name is not literal is refused by its logical id', () => {
    const named = { Type: 'AWS::SSM::Document', Properties: { Name: { Ref: 'X' }, Content: content } };
    expect(() => documentsOfTemplate({ Resources: { LaunchDocument: named } })).toThrow(/LaunchDocument/);
  });
});

describe('parameters of a command', () => {
  it('take their defaults', () => {
    expect(resolveParameters(document, { jobId: ['j-1'] })).toEqual({ jobId: 'j-1', mode: 'fast' });
  });

  it.each([
    ['an unknown one', { jobId: ['j'], other: ['x'] }, /does not support parameter other/],
    ['a missing one', {}, /jobId is required/],
    ['two values for a String', { jobId: ['a', 'b'] }, /takes one value/],
    ['a value outside the pattern', { jobId: ['$(id)'] }, /allowed pattern/],
    ['a trailing newline', { jobId: ['job\n'] }, /allowed pattern/],
    ['a value outside the list', { jobId: ['j'], mode: ['odd'] }, /one of fast, slow/],
  ])('are refused with InvalidParameters: %s', (_, sent, message) => {
    expect(() => resolveParameters(document, sent as Record<string, string[]>)).toThrow(message);
    expect(() => resolveParameters(document, sent as Record<string, string[]>)).toThrow(
      expect.objectContaining({ name: 'InvalidParameters' }),
    );
  });

  it('go into SSM_<name> when they are ENV_VAR and into the text otherwise', () => {
    expect(scriptOf(document, step, { jobId: 'j-1', mode: 'slow' })).toEqual({
      script: 'echo "$SSM_jobId" slow {{jobId}}\nexit 0\n',
      environment: { SSM_jobId: 'j-1' },
    });
  });

  it('are put into the text as they are, also where they look like replacement patterns', () => {
    expect(scriptOf(document, step, { jobId: 'j', mode: "$& $' $1" }).script).toContain("$& $' $1");
  });
});
