import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';

/**
 * The one command that control sends to a host: start the runner for a job, told by its id, and end. The id
 * arrives as an environment variable where the agent knows how (3.3.2746.0 and later); elsewhere the variable
 * is empty, the launcher refuses, and the job is lost five minutes later. The pattern keeps it harmless everywhere.
 */
export const runJobDocument = {
  schemaVersion: '2.2',
  description: 'Starts the holdfast runner for one job and ends',
  parameters: {
    JobId: {
      type: 'String',
      description: 'Id of the job',
      allowedPattern: '^[A-Za-z0-9-]{1,64}$',
      interpolationType: 'ENV_VAR',
    },
  },
  mainSteps: [
    {
      action: 'aws:runShellScript',
      name: 'Launch',
      precondition: { StringEquals: ['platformType', 'Linux'] },
      inputs: {
        timeoutSeconds: '60',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: read by the host's shell
        runCommand: ['exec "${HOLDFAST_ROOT:-/opt/holdfast}/bin/holdfast-launch" "$SSM_JobId"'],
      },
    },
  ],
};

/** The document in one account and region; a change makes a new version, which becomes the default. */
export class RunJobDocument extends Construct {
  constructor(scope: Construct, id: string, props: { names: Names }) {
    super(scope, id);
    new CfnDocument(this, 'Document', {
      name: props.names.document,
      documentType: 'Command',
      documentFormat: 'JSON',
      targetType: '/',
      updateMethod: 'NewVersion',
      content: runJobDocument,
    });
  }
}
