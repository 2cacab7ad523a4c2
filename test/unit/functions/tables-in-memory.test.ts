import { makeCatalog } from '../../../functions/catalog/catalog.ts';
import { describeCatalog } from '../../doubles/catalog-contract.ts';
import { makeMemoryDynamoDb } from '../../doubles/memory-dynamodb.ts';

describeCatalog('over tables in memory', async () => {
  const { client } = makeMemoryDynamoDb();
  return makeCatalog({ client, table: 'catalog', jobs: 'jobs' });
});
