import type { LocalTarget } from '../target.ts';
import { findSecrets, type Place, type Secret } from './find-secrets.ts';
import { filePlaces, servicePlaces } from './machine-places.ts';
import { executionPlaces, objectPlaces, rowPlaces } from './stored-places.ts';

/** Everything that can be read back after a run. */
export async function placesOf(target: LocalTarget): Promise<Place[]> {
  const stored = await Promise.all([
    executionPlaces(target),
    rowPlaces(target),
    objectPlaces(target),
    servicePlaces(target),
  ]);
  return [...stored.flat(), ...filePlaces(target)];
}

export type Scan = {
  places: Place[];
  secrets: Secret[];
  /** What was found where it does not belong. */
  found: string[];
};

/**
 * Looks for secrets in everything that a run left, and in the arguments and environments that were seen meanwhile: the
 * given ones, and what hosts got from the local target.
 */
export async function scanForSecrets(
  target: LocalTarget,
  known: readonly Secret[],
  processes: readonly Place[],
): Promise<Scan> {
  const places = [...(await placesOf(target)), ...processes];
  const secrets = [...known, ...target.ssm.secretsGiven()];
  return { places, secrets, found: findSecrets(places, secrets) };
}
