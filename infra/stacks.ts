import { join } from 'node:path';
import { type App, BOOTSTRAP_QUALIFIER_CONTEXT, type Stack } from 'aws-cdk-lib';
import { ControlStack } from './control/control-stack.ts';
import { buildRelease, type Release } from './hosts/build-release.ts';
import { HostsStack } from './hosts/hosts-stack.ts';
import type { Settings } from './settings.ts';
import { SiteStack } from './site/site-stack.ts';

/** All stacks of an installation, in the order of their deployment: sites, control, hosts. */
export function stacksOf(app: App, settings: Settings): { sites: Stack[]; control: Stack; hosts: Stack[] } {
  // Hosts look for their release in the bucket of the bootstrap that the settings name.
  app.node.setContext(BOOTSTRAP_QUALIFIER_CONTEXT, settings.bootstrapQualifier);
  const sites = Object.keys(settings.sites).map((site) => new SiteStack(app, { settings, site }));
  const control = new ControlStack(app, { settings });
  let release: Release | undefined;
  const built = () => {
    release ??= buildRelease(join(import.meta.dirname, '..'), settings.runner.architectures, app.outdir);
    return release;
  };
  const hosts = settings.hosts.map((place) => new HostsStack(app, { settings, place, buildRelease: built }));
  for (const site of sites) control.addStackDependency(site, 'its functions write to the bucket');
  for (const stack of hosts) {
    stack.addStackDependency(control, 'its runners call the control plane');
    const first = hosts.find(({ account }) => account === stack.account);
    if (first && first !== stack) stack.addStackDependency(first, 'it makes the roles of their account');
  }
  return { sites, control, hosts };
}
