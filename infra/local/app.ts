import { App } from 'aws-cdk-lib';
import { HostsStack } from '../hosts/hosts-stack.ts';
import { readSettings } from '../settings.ts';
import { stacksOf } from '../stacks.ts';

/** The product's stacks without what the emulator refuses: SSM documents, which the local SSM endpoint serves. */
const app = new App();
stacksOf(app, readSettings(app.node.tryGetContext('settings') as string));
for (const stack of app.node.children) {
  if (stack instanceof HostsStack) stack.node.tryRemoveChild('RunJob');
}
