import type { Emulator } from '../../infra/local/emulator.ts';
import type { ApiCall, Invocation } from './cost/counts.ts';

/** Asks the emulator something that no client of ours is for. */
async function ask<T>({ accountId, region, endpoint }: Emulator, target: string, body: object): Promise<T> {
  const scope = `${accountId}/20261101/${region}/any/aws4_request`;
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${target}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

type Looked = {
  Events: { EventId: string; EventTime: number; CloudTrailEvent: string; Resources: ApiCall['resources'] }[];
};

/**
 * The emulator's log of API calls between two moments (epoch seconds), newest first. LookupEvents gives 50 at most and
 * no token, so the next question ends where the last answer did.
 */
export async function apiCalls(emulator: Emulator, from: number, to: number): Promise<ApiCall[]> {
  const seen = new Map<string, ApiCall>();
  for (let end = to; ; ) {
    const { Events } = await ask<Looked>(
      emulator,
      'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents',
      {
        StartTime: from,
        EndTime: end,
      },
    );
    const before = seen.size;
    for (const { EventId, CloudTrailEvent, Resources } of Events) {
      seen.set(EventId, { ...(JSON.parse(CloudTrailEvent) as ApiCall), resources: Resources });
    }
    const oldest = Events.at(-1);
    if (oldest === undefined || seen.size === before) return [...seen.values()];
    end = oldest.EventTime;
  }
}

const groupPrefix = '/aws/lambda/';
const report = /^REPORT .*Billed Duration: ([\d.]+) ms\s+Memory Size: (\d+) MB/;

/** What functions reported at the end of each call since a moment (epoch seconds). */
export async function reportedInvocations(emulator: Emulator, from: number): Promise<Invocation[]> {
  const { logGroups } = await ask<{ logGroups: { logGroupName: string }[] }>(
    emulator,
    'Logs_20140328.DescribeLogGroups',
    { logGroupNamePrefix: groupPrefix },
  );
  const found: Invocation[] = [];
  for (const { logGroupName } of logGroups) {
    const { events } = await ask<{ events: { message: string }[] }>(
      emulator,
      'Logs_20140328.FilterLogEvents',
      {
        logGroupName,
        startTime: Math.floor(from * 1000),
        filterPattern: 'REPORT',
      },
    );
    for (const { message } of events) {
      const [, milliseconds, megabytes] = report.exec(message) ?? [];
      if (milliseconds === undefined || megabytes === undefined) continue;
      const gbSeconds = (Number(milliseconds) / 1000) * (Number(megabytes) / 1024);
      found.push({ name: logGroupName.slice(groupPrefix.length), gbSeconds });
    }
  }
  return found;
}
