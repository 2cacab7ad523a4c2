import { type Catalog, makeCatalog } from '../catalog/catalog.ts';
import { makeDynamoDb } from './dynamodb.ts';

/** The catalog that a function's environment names. */
export const catalogFrom = (env: { CATALOG_TABLE: string; JOBS_TABLE: string }): Catalog =>
  makeCatalog({ client: makeDynamoDb(), table: env.CATALOG_TABLE, jobs: env.JOBS_TABLE });
