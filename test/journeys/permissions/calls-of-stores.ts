import type { Account } from './account.ts';
import { json, rest, type ServiceRequest } from './requests.ts';

/** A right that IAM asks for. */
export type Right = { action: string; resource: string };

/** A call that somebody might try, and the rights that it takes, all of them. */
export type Call = Right & { name: string; request: ServiceRequest; also?: Right };

export const volume = 'shop/backups/b-1/volumes/main/000000';
export const foreignVolume = 'billing/backups/b-2/volumes/main/000000';
/** A file of a release that is not the deployed one. */
export const otherRelease = `${'f'.repeat(64)}-runner.mjs`;
const once = { 'if-none-match': '*' };

/** What S3 can be asked for, at the site's bucket and at others. */
export function callsOfS3({ bucket, assets, names, versionId, runnerKey }: AccountAtWork): Call[] {
  const at = (Bucket: string, key = '') => `/${Bucket}${key && `/${key}`}`;
  const arn = (Bucket: string, key = '') => `arn:aws:s3:::${Bucket}${key && `/${key}`}`;
  const s3 = (
    name: string,
    action: string,
    method: string,
    [where, key = '']: [string, string?],
    more: Pick<ServiceRequest, 'query' | 'headers' | 'body'> = {},
  ): Call => ({
    name,
    action: `s3:${action}`,
    resource: arn(where, key),
    request: rest('s3', method, at(where, key), more),
  });
  const put = (name: string, key: string, headers: Record<string, string> = once, where = bucket) =>
    s3(name, 'PutObject', 'PUT', [where, key], { headers, body: 'x' });
  const get = (name: string, key: string, where = bucket) => s3(name, 'GetObject', 'GET', [where, key]);
  const retention = `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>`;
  const ofVersion = { query: { versionId } };
  return [
    put('put a new volume', 'shop/backups/b-9/volumes/main/000000'),
    put('put a new volume of another cluster', 'billing/backups/b-9/volumes/main/000000'),
    put('put a manifest', 'shop/backups/b-9/manifest.json'),
    put('put a segment', 'shop/logs/main/t/20261123/1-x.segment'),
    put('put a volume that is there, once', volume),
    put('overwrite a volume', foreignVolume, {}),
    put('put a receipt', 'receipts/shop/b-9/20261123T020000Z-verified.json'),
    put('put into the registry', 'registry/clusters/shop.json'),
    put('put anywhere else in the bucket', 'shop/readme'),
    put('put into the tools bucket', 'shop/backups/b/x', once, names.toolsBucket('home')),
    put('put into the scratch bucket', 'due/hourly/x.jsonl', once, names.scratchBucket),
    put('put into the bucket of assets', runnerKey, {}, assets),
    put('put into another bucket', 'shop/backups/b/x', once, 'another-bucket'),
    get('get a volume of its cluster', volume),
    get('get a segment of its cluster', 'shop/logs/main/t/20261123/0-x.segment'),
    get('get a volume of another cluster', foreignVolume),
    get('get a volume of a cluster whose name begins the same', 'shop2/backups/b/volumes/main/000000'),
    get('get a receipt', 'receipts/shop/b-1/20261123T020000Z-verified.json'),
    get('get from the scratch bucket', 'due/hourly/x.jsonl', names.scratchBucket),
    get('get the runner', runnerKey, assets),
    get('get another asset', 'template.json', assets),
    get('get the runner of another release', otherRelease, assets),
    s3('look at a volume', 'GetObject', 'HEAD', [bucket, volume]),
    s3('get a version of a volume', 'GetObjectVersion', 'GET', [bucket, volume], ofVersion),
    s3('list the bucket', 'ListBucket', 'GET', [bucket], { query: { 'list-type': '2' } }),
    s3('list one prefix', 'ListBucket', 'GET', [bucket], { query: { 'list-type': '2', prefix: 'shop/' } }),
    s3('list versions', 'ListBucketVersions', 'GET', [bucket], { query: { versions: '' } }),
    s3('list uploads', 'ListBucketMultipartUploads', 'GET', [bucket], { query: { uploads: '' } }),
    s3('list the buckets', 'ListAllMyBuckets', 'GET', ['']),
    s3('delete a volume', 'DeleteObject', 'DELETE', [bucket, foreignVolume]),
    s3('delete a version', 'DeleteObjectVersion', 'DELETE', [bucket, volume], ofVersion),
    {
      ...s3('delete a version past its lock', 'DeleteObjectVersion', 'DELETE', [bucket, volume], {
        ...ofVersion,
        headers: { 'x-amz-bypass-governance-retention': 'true' },
      }),
      also: { action: 's3:BypassGovernanceRetention', resource: arn(bucket, volume) },
    },
    s3('set a retention', 'PutObjectRetention', 'PUT', [bucket, volume], {
      query: { retention: '' },
      body: retention,
    }),
    s3('read a retention', 'GetObjectRetention', 'GET', [bucket, volume], { query: { retention: '' } }),
    s3('set a legal hold', 'PutObjectLegalHold', 'PUT', [bucket, volume], {
      query: { 'legal-hold': '' },
      body: '<LegalHold><Status>OFF</Status></LegalHold>',
    }),
    {
      ...s3('read attributes of a volume', 'GetObjectAttributes', 'GET', [bucket, volume], {
        query: { attributes: '' },
        headers: { 'x-amz-object-attributes': 'ObjectSize' },
      }),
      also: { action: 's3:GetObject', resource: arn(bucket, volume) },
    },
    s3('tag a volume', 'PutObjectTagging', 'PUT', [bucket, volume], {
      query: { tagging: '' },
      body: '<Tagging><TagSet/></Tagging>',
    }),
    {
      ...put('copy a volume under a new key', 'shop/backups/b-9/copied', {
        ...once,
        'x-amz-copy-source': `/${bucket}/${volume}`,
      }),
      also: { action: 's3:GetObject', resource: arn(bucket, volume) },
    },
    s3('create a bucket', 'CreateBucket', 'PUT', ['mallory']),
    s3('delete the bucket', 'DeleteBucket', 'DELETE', [bucket]),
    s3('read the bucket’s policy', 'GetBucketPolicy', 'GET', [bucket], { query: { policy: '' } }),
    s3('remove the bucket’s policy', 'DeleteBucketPolicy', 'DELETE', [bucket], { query: { policy: '' } }),
    s3('suspend versions', 'PutBucketVersioning', 'PUT', [bucket], {
      query: { versioning: '' },
      body: '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>',
    }),
    s3('let objects expire', 'PutLifecycleConfiguration', 'PUT', [bucket], {
      query: { lifecycle: '' },
      body: '<LifecycleConfiguration/>',
    }),
    s3('change the lock of the bucket', 'PutBucketObjectLockConfiguration', 'PUT', [bucket], {
      query: { 'object-lock': '' },
      body: '<ObjectLockConfiguration/>',
    }),
    s3('copy everything elsewhere', 'PutReplicationConfiguration', 'PUT', [bucket], {
      query: { replication: '' },
      body: '<ReplicationConfiguration/>',
    }),
  ];
}

export type AccountAtWork = Account & { versionId: string; runnerKey: string };

/** What the tables can be asked for: own rows and others', the catalog, a foreign table. */
export function callsOfTables({ names, userid, account, region }: AccountAtWork): Call[] {
  const table = (TableName: string) => `arn:aws:dynamodb:${region}:${account}:table/${TableName}`;
  const key = (pk: string, sk: string) => ({ pk: { S: pk }, sk: { S: sk } });
  const dynamo = (name: string, action: string, TableName: string, body: object): Call => ({
    name,
    action: `dynamodb:${action}`,
    resource: table(TableName),
    request: json('dynamodb', `DynamoDB_20120810.${action}`, { TableName, ...body }),
  });
  const { jobsTable: jobs, catalogTable: catalog } = names;
  const own = key(userid, 'job#own');
  const order = key('ORDER#j-1', 'ORDER');
  const update = { UpdateExpression: 'SET seen = :s', ExpressionAttributeValues: { ':s': { S: 'yes' } } };
  const query = { KeyConditionExpression: 'pk = :p', ExpressionAttributeValues: { ':p': { S: userid } } };
  return [
    dynamo('get its own job row', 'GetItem', jobs, { Key: own }),
    dynamo('update its own job row', 'UpdateItem', jobs, { Key: own, ...update }),
    dynamo('get a job row of another host', 'GetItem', jobs, { Key: key(`${userid}0`, 'job#x') }),
    dynamo('put a job row', 'PutItem', jobs, { Item: own }),
    dynamo('delete a job row', 'DeleteItem', jobs, { Key: own }),
    dynamo('query job rows', 'Query', jobs, query),
    dynamo('scan job rows', 'Scan', jobs, {}),
    dynamo('get an order', 'GetItem', catalog, { Key: order }),
    dynamo('query the catalog', 'Query', catalog, query),
    dynamo('update the catalog', 'UpdateItem', catalog, { Key: order, ...update }),
    dynamo('put into the catalog', 'PutItem', catalog, { Item: order }),
    dynamo('delete from the catalog', 'DeleteItem', catalog, { Key: order }),
    dynamo('scan the catalog', 'Scan', catalog, {}),
    dynamo('delete the catalog', 'DeleteTable', catalog, {}),
    dynamo('describe the catalog', 'DescribeTable', catalog, {}),
    dynamo('get from another table', 'GetItem', 'another-table', { Key: own }),
  ];
}
