import type { App, Stack } from 'aws-cdk-lib';
import { ControlStack } from './control/control-stack.ts';
import { HostsStack } from './hosts/hosts-stack.ts';
import type { Settings } from './settings.ts';
import { SiteStack } from './site/site-stack.ts';

/** All stacks of an installation, in the order of their deployment: sites, control, hosts. */
export function stacksOf(app: App, settings: Settings): { sites: Stack[]; control: Stack; hosts: Stack[] } {
  const sites = Object.keys(settings.sites).map((site) => new SiteStack(app, { settings, site }));
  const control = new ControlStack(app, { settings });
  const hosts = settings.hosts.map((place) => new HostsStack(app, { settings, place }));
  for (const site of sites) control.addStackDependency(site, 'its functions write to the bucket');
  for (const stack of hosts) stack.addStackDependency(control, 'its runners call the control plane');
  return { sites, control, hosts };
}
