import { IAMClient } from '@aws-sdk/client-iam';
import { SFNClient } from '@aws-sdk/client-sfn';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { localSettings } from '../../infra/local/local-settings.ts';

/**
 * `npm run contract`: asks a real AWS account what it makes of the synthesized definitions, states and policies.
 * It creates, changes and deletes nothing. By hand only: a build machine has no business with such credentials.
 */
const rights =
  'sts:GetCallerIdentity, states:ValidateStateMachineDefinition, states:TestState and iam:SimulateCustomPolicy on *';

function refuse(why: string): never {
  console.error(`npm run contract: ${why}`);
  console.error(
    `It needs credentials of an AWS account (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)`,
  );
  console.error(`and AWS_REGION; the rights are ${rights}. It creates nothing there.`);
  process.exit(2);
}

if (process.env.CI) refuse('is not run by a build machine (CI is set)');
const region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
if (!region) refuse('AWS_REGION is not set');
const options = { region, maxAttempts: 10 };
const caller = await new STSClient({ ...options, maxAttempts: 2 })
  .send(new GetCallerIdentityCommand({}))
  .catch((error: Error) => refuse(`there are no credentials that work: ${error.name}: ${error.message}`));
const account = caller.Account ?? refuse('the credentials belong to no account');
// The CDK takes seconds to load, which whoever has no credentials need not wait for.
const { checkContract } = await import('./check.ts');
console.log(`asking AWS in ${account}/${region} as ${caller.Arn}`);

const outcomes = await checkContract({
  settings: localSettings({ account, region }),
  // States are tested at an address of their own, sync-states.…, which an endpoint that was set by hand does not have.
  sfn: new SFNClient({ ...options, disableHostPrefix: process.env.AWS_ENDPOINT_URL !== undefined }),
  iam: new IAMClient(options),
  say: ({ name, difference }) =>
    console.log(difference === undefined ? `ok      ${name}` : `DIFFERS ${name}\n        ${difference}`),
});
const different = outcomes.filter(({ difference }) => difference !== undefined).length;
console.log(`${outcomes.length} asked, ${different} differ`);
process.exitCode = different === 0 ? 0 : 1;
