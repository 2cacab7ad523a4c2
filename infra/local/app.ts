import { readFileSync, writeFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { HostsStack } from '../hosts/hosts-stack.ts';
import { readSettings } from '../settings.ts';
import { stacksOf } from '../stacks.ts';

/** The product's stacks, but for what the emulator cannot take. */
// The CDK's rules for templates judge every other synth and have a test; here they would only cost three seconds.
const app = new App({ builtinCloudFormationValidation: false });
const { control } = stacksOf(app, readSettings(app.node.tryGetContext('settings') as string));

// It refuses SSM documents and associations; the local SSM endpoint serves the same documents.
for (const stack of app.node.children) {
  if (!(stack instanceof HostsStack)) continue;
  for (const id of ['RunJob', 'InstallRunner', 'KeepRunner']) stack.node.tryRemoveChild(id);
}

// It takes expressions in an item reader as text; the older notation of the same reference it resolves.
const { templateFullPath } = app.synth().getStackByName(control.stackName);
const template = readFileSync(templateFullPath, 'utf8');
const written = String.raw`\"Key\":\"{% $states.input.key %}\"`;
if (!template.includes(written))
  throw new Error('the item reader of Fleet backup is not written as expected');
writeFileSync(
  templateFullPath,
  template.replace(written, () => String.raw`\"Key.$\":\"$.key\"`),
);
