import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { readStored } from '../../contract/formats/codec.ts';
import {
  type AgentOrders,
  type AgentReport,
  agentKey,
  agentOrdersSchema,
} from '../../contract/records/agent.ts';

/** The agent's side of its row. */
export type AgentRows = {
  /** Writes the report and answers the orders of that moment; undefined where control has made no row for this host. */
  report: (report: AgentReport) => Promise<AgentOrders | undefined>;
};

/** One request for both ways: the answer to the report carries the orders. */
export const makeAgentRows = (client: DynamoDBDocumentClient, table: string, userid: string): AgentRows => ({
  report: async (report) => {
    try {
      const answer = await client.send(
        new UpdateCommand({
          TableName: table,
          Key: agentKey(userid),
          UpdateExpression: 'SET #report = :report',
          ConditionExpression: 'attribute_exists(pk)',
          ExpressionAttributeNames: { '#report': 'report' },
          ExpressionAttributeValues: { ':report': report },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return readStored(agentOrdersSchema, 'orders of the agent', answer.Attributes?.orders);
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return undefined;
      throw error;
    }
  },
});
