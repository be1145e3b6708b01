import type { ApiOperation, ApiParameter } from './document';
import { pageOf, ref } from './schemas';

const json = (schema: object) => ({ 'application/json': { schema } });
const body = (name: string, required = false) => ({ required, content: json(ref(name)) });
const answers = (description: string, schema: object, status = '200') => ({
  [status]: { description, content: json(schema) },
  default: { description: 'What went wrong.', content: json(ref('Error')) },
});
const path = (name: string, description: string): ApiParameter => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', minLength: 1, maxLength: 128 },
});
const query = (name: string, description: string, schema: object): ApiParameter => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
});

const holdingId: ApiParameter = {
  ...path('id', 'Id of the holding, of one of its requests, or ref of its entity.'),
  schema: { type: 'string', minLength: 1, maxLength: 512 },
};
const requestId = path('id', 'Id of the request.');
const stepId = path('step', 'Id of the step.');
const text = { type: 'string', maxLength: 512 };
const pages = [
  query('pageSize', 'At most 500; 50 when absent.', { type: 'integer', minimum: 1, maximum: 500 }),
  query('pageToken', 'From the answer before.', { type: 'string', maxLength: 65_536 }),
];

const asks = (operationId: string, summary: string, input: string, required = false) => ({
  post: {
    operationId,
    summary,
    parameters: [holdingId],
    requestBody: body(input, required),
    responses: answers('The stored, or only planned, request.', ref('Request'), '201'),
  } as ApiOperation,
});
const controls = (operationId: string, summary: string, input = 'Change') => ({
  post: {
    operationId,
    summary,
    parameters: [holdingId],
    requestBody: body(input),
    responses: answers('The holding afterwards.', ref('Holding')),
  } as ApiOperation,
});
const settles = (operationId: string, summary: string, input: string, status = '200') => ({
  post: {
    operationId,
    summary,
    parameters: [requestId, stepId],
    requestBody: body(input),
    responses: answers('The request afterwards; of a fork the new one.', ref('Request'), status),
  } as ApiOperation,
});

/** Paths of holdings, operators and auditors. */
export const holdingPaths = {
  '/v1/holdings': {
    get: {
      operationId: 'listHoldings',
      summary: 'What requests made that you may see, newest first.',
      parameters: [
        query('owner', 'Exact entity ref of the owner.', text),
        query('entityRef', 'Exact entity ref.', text),
        query('blueprint', 'Exact name of the blueprint.', text),
        query('state', 'Only in this state.', {
          type: 'string',
          enum: ['pending', 'active', 'suspended', 'deleted'],
        }),
        query('expiresBefore', 'Only those that expire before this time.', {
          type: 'string',
          format: 'date-time',
        }),
        query('drifted', 'Only those that differ from what was applied.', { type: 'boolean' }),
        ...pages,
      ],
      responses: answers('A page; it may have fewer than asked for.', pageOf('Holding')),
    } as ApiOperation,
    post: {
      operationId: 'importHolding',
      summary: 'Takes on what is there already.',
      requestBody: body('ImportHolding', true),
      responses: answers('The stored, or only planned, request.', ref('Request'), '201'),
    } as ApiOperation,
  },
  '/v1/holdings/{id}': {
    get: {
      operationId: 'getHolding',
      summary: 'One holding.',
      parameters: [holdingId],
      responses: answers('The holding.', ref('Holding')),
    } as ApiOperation,
  },
  '/v1/holdings/{id}/change': asks('changeHolding', 'Asks for other parameters.', 'ChangeHolding'),
  '/v1/holdings/{id}/transfer': asks(
    'transferHolding',
    'Gives it to another owner.',
    'TransferHolding',
    true,
  ),
  '/v1/holdings/{id}/suspend': asks('suspendHolding', 'Parks it.', 'AskOfHolding'),
  '/v1/holdings/{id}/resume': asks('resumeHolding', 'Takes it up again.', 'AskOfHolding'),
  '/v1/holdings/{id}/repair': asks('repairHolding', 'Applies again what drifted.', 'AskOfHolding'),
  '/v1/holdings/{id}/delete': asks(
    'deleteHolding',
    'Undoes all of it, latest first.',
    'AskOfHolding',
  ),
  '/v1/holdings/{id}/renew': controls('renewHolding', 'Moves its expiry.', 'RenewHolding'),
  '/v1/holdings/{id}/protect': controls('protectHolding', 'Refuses to delete it.'),
  '/v1/holdings/{id}/unprotect': controls('unprotectHolding', 'Allows to delete it.'),
  '/v1/holdings/{id}/inspect': controls('inspectHolding', 'Compares it with what is outside.'),
  '/v1/requests/{id}/steps/{step}/skip': settles(
    'skipStep',
    'Counts a step that is stuck as done without outputs.',
    'Change',
  ),
  '/v1/requests/{id}/steps/{step}/done': settles(
    'markStepDone',
    'Counts a step that is stuck as done by hand.',
    'StepDone',
  ),
  '/v1/requests/{id}/steps/{step}/fork': settles(
    'forkRequest',
    'Begins a new request at a step of one that has ended.',
    'ForkRequest',
    '201',
  ),
  '/v1/orphans': {
    get: {
      operationId: 'listOrphans',
      summary: 'What failed requests left outside.',
      parameters: pages,
      responses: answers('A page of orphans.', pageOf('Orphan')),
    } as ApiOperation,
  },
  '/v1/orphans/{id}/{step}/forget': {
    post: {
      operationId: 'forgetOrphan',
      summary: 'Takes an orphan off the list when it is seen to.',
      parameters: [holdingId, stepId],
      requestBody: body('Change'),
      responses: answers('It is off the list.', ref('Forgotten')),
    } as ApiOperation,
  },
  '/v1/audit/decisions': {
    get: {
      operationId: 'listDecisions',
      summary: 'What policy decided, refusals included, newest first.',
      parameters: [
        query('limit', 'At most 1,000; 100 when absent.', {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
        }),
      ],
      responses: answers('The decisions.', ref('Decisions')),
    } as ApiOperation,
  },
  '/v1/audit/verification': {
    get: {
      operationId: 'verifyAudit',
      summary: 'Walks the audit trail and names the first row that was changed.',
      responses: answers('What was found.', ref('AuditReport')),
    } as ApiOperation,
  },
};
