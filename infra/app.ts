import { App, Tags } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';
import { stacksOf } from './stacks.ts';

const app = new App();
const file = (app.node.tryGetContext('settings') as string | undefined) ?? 'holdfast.json';
const settings = readSettings(file);
stacksOf(app, settings);
Tags.of(app).add('Project', 'holdfast');
Tags.of(app).add('Installation', settings.installation);
