import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { NamedError } from '../contract/errors/named-error.ts';
import { id } from '../contract/records/ids.ts';
import { policySchema } from '../contract/records/policy.ts';
import { scheduleCron } from './schedule-cron.ts';
import { describeProblems } from './settings-problems.ts';

const account = z.string().regex(/^\d{12}$/, 'must be a 12-digit account id');
const region = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-central-1');
const place = { account, region };
/** IAM's limit. Of our roles only that of a site has two names of the operator's in it. */
const roleNameAtMost = 64;

const siteSchema = z.strictObject({
  ...place,
  /** 57 characters at most, so that `-tools` still fits into the 63 of a bucket's name. */
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{1,55}[a-z0-9]$/, 'must be 3 to 57 lower-case letters, digits and hyphens'),
  objectLockDays: z.int().min(1).max(3650).default(3),
});

/** Machines that Node is shipped for, by the names that npm gives them. */
export const architectures = ['x64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

const runnerSchema = z.strictObject({
  /** Architectures of the hosts; those that no host has spare each of them 44 MiB of download per release. */
  architectures: z
    .array(z.enum(architectures))
    .min(1)
    .refine((list) => new Set(list).size === list.length, 'must not name one twice')
    .default([...architectures]),
  /** An earlier release to go back to, as the output RunnerRelease named it; without it, what this checkout builds. */
  release: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the name of a release: 64 hexadecimal digits in lower case')
    .optional(),
});

const policyDocument = policySchema.superRefine((policy, context) => {
  try {
    scheduleCron(policy.schedule.cron);
  } catch (refused) {
    context.addIssue({ code: 'custom', path: ['schedule', 'cron'], message: (refused as Error).message });
  }
  const packs = ['compress', 'encrypt'].find(
    (name) => policy.xtrabackup?.[name as 'compress' | 'encrypt'] !== undefined,
  );
  if (packs !== undefined && policy.codec !== 'none') {
    context.addIssue({
      code: 'custom',
      path: ['codec'],
      message: `must be none where xtrabackup.${packs} packs the files already`,
    });
  }
  const { fifoStreams = 0 } = policy.xtrabackup ?? {};
  if (fifoStreams > policy.toolThreads) {
    context.addIssue({
      code: 'custom',
      path: ['xtrabackup', 'fifoStreams'],
      message: `must not be more than toolThreads, which is ${policy.toolThreads}: each stream needs a thread that writes to it`,
    });
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: policy.schedule.zone });
  } catch {
    context.addIssue({ code: 'custom', path: ['schedule', 'zone'], message: 'must be an IANA time zone' });
  }
});

/** `holdfast.json`: what an operator writes before the first deployment. Unknown keys are refused. */
export const settingsSchema = z
  .strictObject({
    installation: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,19}$/, 'must be 1 to 20 lower-case letters, digits and hyphens')
      .default('holdfast'),
    sites: z.record(id, siteSchema).refine((s) => Object.keys(s).length > 0, 'at least one site is needed'),
    control: z.strictObject({ ...place, site: id }),
    hosts: z.array(z.strictObject(place)).min(1).max(20),
    runner: runnerSchema.prefault({}),
    policies: z.array(policyDocument).min(1).max(50),
    alarms: z
      .strictObject({
        emails: z.array(z.email()).default([]),
        urls: z.array(z.url({ protocol: /^https$/ })).default([]),
      })
      .prefault({}),
    thresholds: z
      .strictObject({
        /** Failed executions of one machine within five minutes that raise its alarm. */
        failedExecutions: z.int().min(1).default(1),
        /** Failed runs of Reconcile within ten minutes that raise its alarm; it runs every two. */
        failedReconciles: z.int().min(1).max(5).default(3),
        /** Throttled calls of one service within 15 minutes that raise its alarm: a burst is waited for, and is no trouble. */
        throttles: z.int().min(1).default(100),
      })
      .prefault({}),
    logRetentionDays: z.union([z.literal(30), z.literal(90), z.literal(180), z.literal(365)]).default(90),
    /** Qualifier of the CDK bootstrap: whose execution role may change buckets, and where assets lie. */
    bootstrapQualifier: z
      .string()
      .regex(/^[a-z0-9]{1,10}$/)
      .default('hnb659fds'),
  })
  .superRefine((settings, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const sites = Object.keys(settings.sites).join(', ');
    if (!settings.sites[settings.control.site]) {
      refuse(['control', 'site'], `is no site of these settings (${sites})`);
    }
    for (const name of Object.keys(settings.sites)) {
      const role = `${settings.installation}-restore-${name}`;
      if (role.length > roleNameAtMost) {
        refuse(
          ['sites', name],
          `its restore role would be ${role}, longer than the ${roleNameAtMost} characters of a role's name`,
        );
      }
    }
    const seen = new Set<string>();
    const once = (kind: string, value: string, path: (string | number)[]) => {
      if (seen.has(`${kind} ${value}`)) refuse(path, `${value} is used twice`);
      seen.add(`${kind} ${value}`);
    };
    for (const [name, site] of Object.entries(settings.sites))
      once('bucket', site.bucket, ['sites', name, 'bucket']);
    settings.hosts.forEach((host, i) => {
      once('place', `${host.account}/${host.region}`, ['hosts', i]);
      // Step Functions takes a task token back only from principals of its own account.
      if (host.account !== settings.control.account) {
        refuse(['hosts', i, 'account'], `must be the account of control, ${settings.control.account}`);
      }
    });
    settings.policies.forEach((policy, i) => {
      once('policy', policy.name, ['policies', i, 'name']);
      // No machine copies yet, and a copy that is promised and never made is worse than none.
      if (policy.copies.length > 0) {
        refuse(['policies', i, 'copies'], 'must be empty: this version makes no copies at other sites');
      }
      if (policy.incrementals && policy.method === 'logical') {
        refuse(
          ['policies', i, 'incrementals'],
          'must be left out where the method is logical: a dump has none',
        );
      }
      // The default lock must outlast the longest backup by a day: the time in which it is verified or adopted.
      for (const [name, site] of Object.entries(settings.sites)) {
        if (site.objectLockDays * 24 < policy.deadlineHours + 24) {
          refuse(
            ['sites', name, 'objectLockDays'],
            `must cover policy ${policy.name}: deadlineHours ${policy.deadlineHours} + 24`,
          );
        }
      }
    });
  });

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;
export type Place = { account: string; region: string };

/** Checks settings. Throws Settings.Invalid with one line for each thing that is wrong: its path, value, and what would be right. */
export function parseSettings(input: unknown): Settings {
  const parsed = settingsSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const lines = describeProblems(parsed.error, input);
  throw new NamedError('Settings.Invalid', lines.join('\n'), { problems: lines.length });
}

/** Reads and checks a settings file. Throws Settings.Invalid naming the file. */
export function readSettings(file: string): Settings {
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new NamedError(
      'Settings.Invalid',
      `${file} cannot be read as JSON: ${(cause as Error).message}`,
      { file },
      { cause },
    );
  }
  try {
    return parseSettings(input);
  } catch (refused) {
    throw new NamedError(
      'Settings.Invalid',
      `${file}\n${(refused as Error).message}`,
      { file },
      { cause: refused },
    );
  }
}
