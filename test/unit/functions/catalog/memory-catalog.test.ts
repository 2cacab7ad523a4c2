import { describeCatalog } from '../../../doubles/catalog-contract.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';

describeCatalog('in memory', async () => makeMemoryCatalog());
