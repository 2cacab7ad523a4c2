import { z } from 'zod';
import { id } from '../../contract/records/ids.ts';

/** A variable that holds JSON; infra writes it with JSON.stringify. */
const json = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'must be JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);

const arn = z.string().regex(/^arn:[a-z-]+:/, 'must be an ARN');

/** A site as functions know it. */
export const siteSchema = z.object({ bucket: z.string().min(3), region: z.string(), account: z.string() });

/** How one account and region with databases is reached: the role to assume, the document to send, the hosts' role. */
export type HostPlace = { dispatchRoleArn: string; document: string; hostRoleName: string };

/** Names are the same in every place, so a variable of twenty places stays within a Lambda's 4 KB. */
const hostPlacesSchema = z
  .object({
    partition: z.string().regex(/^aws[a-z-]*$/),
    dispatchRole: z.string().min(1),
    hostRole: z.string().min(1),
    document: z.string().min(1),
    /** `<account>/<region>` each. */
    places: z.array(z.string().regex(/^\d{12}\/[a-z0-9-]+$/)),
  })
  .transform(
    ({ partition, dispatchRole, hostRole, document, places }): HostPlaces =>
      Object.fromEntries(
        places.map((place) => [
          place,
          {
            dispatchRoleArn: `arn:${partition}:iam::${place.slice(0, 12)}:role/${dispatchRole}`,
            document,
            hostRoleName: hostRole,
          },
        ]),
      ),
  );

export type Site = z.infer<typeof siteSchema>;
export type Sites = Readonly<Record<string, Site>>;
/** Keyed by `<account>/<region>`. */
export type HostPlaces = Readonly<Record<string, HostPlace>>;

/** Every variable a function may have; the env of a function picks its own. */
export const variables = {
  CATALOG_TABLE: z.string().min(3),
  JOBS_TABLE: z.string().min(3),
  SCRATCH_BUCKET: z.string().min(3),
  SITES: json(z.record(id, siteSchema)),
  /** Ends with a slash; a policy's parameter is the prefix and its name. */
  POLICY_PREFIX: z.string().regex(/^\/.*\/$/, 'must begin and end with a slash'),
  HOST_PLACES: json(hostPlacesSchema),
  EVENT_BUS: z.string().min(1),
  TOPIC_ARN: arn,
  BACKUP_MACHINE_ARN: arn,
  RESTORE_MACHINE_ARN: arn,
  RESTORE_ROLES: json(z.record(id, arn)),
  METRIC_NAMESPACE: z.string().min(1),
  INSTALLATION: z.string().min(1),
} as const;

/** The schema of a function's environment: these variables and no others. */
export const envOf = <const K extends keyof typeof variables>(...names: K[]) =>
  z.object(
    Object.fromEntries(names.map((name) => [name, variables[name]])) as unknown as Pick<typeof variables, K>,
  );
