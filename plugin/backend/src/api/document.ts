import { requestKinds } from '@purser/plugin-purser-common';
import { costPaths } from './costPaths';
import { holdingPaths } from './holdingPaths';
import { daySchema, pageOf, ref, schemas } from './schemas';

/** A parameter of a path or query. */
export interface ApiParameter {
  name: string;
  in: 'path' | 'query';
  required?: boolean;
  description: string;
  schema: object;
}

/** An operation of the document. */
export interface ApiOperation {
  operationId: string;
  summary: string;
  parameters?: ApiParameter[];
  requestBody?: { required: boolean; content: { 'application/json': { schema: object } } };
  responses: Record<string, object>;
  security?: object[];
}

const json = (schema: object) => ({ 'application/json': { schema } });

const errors = {
  default: { description: 'What went wrong.', content: json(ref('Error')) },
};

const answers = (description: string, schema: object, status = '200') => ({
  [status]: { description, content: json(schema) },
  ...errors,
});

const query = (name: string, description: string, schema: object, required = false) =>
  ({ name, in: 'query', required, description, schema }) as ApiParameter;

const path = (name: string, description: string, maxLength = 128) =>
  ({
    name,
    in: 'path',
    required: true,
    description,
    schema: { type: 'string', minLength: 1, maxLength },
  }) as ApiParameter;

const pages = (max: number, fallback: number) => [
  query('pageSize', `At most ${max}; ${fallback} when absent.`, {
    type: 'integer',
    minimum: 1,
    maximum: max,
  }),
  query('pageToken', 'From the answer before.', { type: 'string', maxLength: 65_536 }),
];

const entity = [
  path('kind', 'Kind of the entity.', 63),
  path('namespace', 'Namespace of the entity.', 63),
  path('name', 'Name of the entity.', 63),
];

const requestId = path('id', 'Id of the request.');
const body = (schema: object, required = true) => ({ required, content: json(schema) });
const filterText = (name: string, description: string) =>
  query(name, description, { type: 'string', maxLength: 512 });

const change = (
  operationId: string,
  summary: string,
  input = 'Change',
): { post: ApiOperation } => ({
  post: {
    operationId,
    summary,
    parameters: [requestId],
    requestBody: body(ref(input), false),
    responses: answers('The request after the change.', ref('Request')),
  },
});

const source = [
  path('provider', 'Id of the provider, e.g. kubernetes.', 63),
  path('instance', 'Name of its configured instance.', 63),
];

const changeSource = (operationId: string, summary: string): { post: ApiOperation } => ({
  post: {
    operationId,
    summary,
    parameters: source,
    requestBody: body(ref('Change'), false),
    responses: answers('The source after the change.', ref('CatalogSource')),
  },
});

/** What /openapi.json says, and what inputs are checked against. */
export const apiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'Purser',
    version: '1.0.0',
    description:
      'Requests for products, what they made and what it costs. Money is exact decimal text. All times are UTC.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/api/purser' }],
  security: [{ backstage: [] }],
  paths: {
    '/v1/blueprints': {
      get: {
        operationId: 'listBlueprints',
        summary: 'The products that may be asked for.',
        parameters: pages(500, 100),
        responses: answers('A page of blueprints, by name.', pageOf('Blueprint')),
      },
    },
    '/v1/requests': {
      get: {
        operationId: 'listRequests',
        summary: 'The requests you may see, newest first.',
        parameters: [
          filterText('owner', 'Exact entity ref of the owner.'),
          filterText('requester', 'Exact entity ref of who asked.'),
          filterText('blueprint', 'Exact name of the blueprint.'),
          filterText('entityRef', 'Exact entity ref of what the request makes.'),
          query('states', 'Any of these states.', {
            type: 'array',
            items: ref('RequestState'),
            maxItems: 7,
          }),
          query('withSteps', 'Fill the steps.', { type: 'boolean' }),
          filterText('holdingId', 'Only of this holding.'),
          filterText('idempotencyKey', 'Only with this idempotency key.'),
          query('kind', 'Only of this kind.', { type: 'string', enum: requestKinds }),
          query('createdAfter', 'Created then or later.', { type: 'string', format: 'date-time' }),
          query('createdBefore', 'Created before.', { type: 'string', format: 'date-time' }),
          ...pages(500, 50),
        ],
        responses: answers('A page of requests.', pageOf('Request')),
      },
      post: {
        operationId: 'createRequest',
        summary: 'Asks for a product.',
        requestBody: body(ref('CreateRequest')),
        responses: answers('The stored, or only planned, request.', ref('Request'), '201'),
      },
    },
    '/v1/requests/{id}': {
      get: {
        operationId: 'getRequest',
        summary: 'One request with its steps.',
        parameters: [requestId],
        responses: answers('The request.', ref('Request')),
      },
    },
    '/v1/requests/{id}/events': {
      get: {
        operationId: 'watchRequest',
        summary: 'Events of a request, in order, from any sequence number on.',
        parameters: [
          requestId,
          query('after', 'Only events with a higher sequence number.', {
            type: 'integer',
            minimum: 0,
          }),
          query('follow', 'Stay until the request is final.', { type: 'boolean' }),
        ],
        responses: {
          '200': {
            description:
              'One JSON object a line, or server-sent events when asked for; Last-Event-ID is honoured.',
            content: {
              'application/x-ndjson': { schema: ref('Event') },
              'text/event-stream': { schema: { type: 'string' } },
            },
          },
          ...errors,
        },
      },
    },
    '/v1/requests/{id}/approve': change(
      'approveRequest',
      'Lets a request, or a step of it, that waits for approval go on.',
      'Approve',
    ),
    '/v1/requests/{id}/reject': change(
      'rejectRequest',
      'Refuses a request, or a step of it, that waits for approval.',
      'Approve',
    ),
    '/v1/requests/{id}/cancel': change('cancelRequest', 'Stops a request and undoes what can be.'),
    '/v1/requests/{id}/retry': change(
      'retryRequest',
      'Makes unfinished steps of a failed or parked request due again.',
    ),
    '/v1/entities/{kind}/{namespace}/{name}/resources': {
      get: {
        operationId: 'listResources',
        summary: 'What requests made for an entity.',
        parameters: [...entity, ...pages(500, 100)],
        responses: answers('A page of resources, oldest first.', pageOf('Resource')),
      },
    },
    '/v1/costs/entities/{kind}/{namespace}/{name}': {
      get: {
        operationId: 'getEntityCosts',
        summary: 'What an entity cost in the last days.',
        parameters: [
          ...entity,
          query('days', 'How many days; 30 when absent.', {
            type: 'integer',
            minimum: 1,
            maximum: 400,
          }),
          query('asOf', 'Last day; the last one with data when absent.', daySchema),
        ],
        responses: answers('The costs.', ref('EntityCosts')),
      },
    },
    '/v1/costs/query': {
      get: {
        operationId: 'queryCosts',
        summary: 'Costs summed by dimensions.',
        parameters: [
          query('from', 'First day.', daySchema, true),
          query('to', 'Last day, inclusive.', daySchema, true),
          query('groupBy', 'Dimensions; currency is always one.', {
            type: 'array',
            items: ref('CostDimension'),
            maxItems: 7,
          }),
          query('filter', 'dimension=value; values of one dimension are alternatives.', {
            type: 'array',
            items: { type: 'string', pattern: '^[a-z_]+=', maxLength: 1024 },
            maxItems: 100,
          }),
          query('currency', 'Everything is converted to it.', {
            type: 'string',
            pattern: '^[A-Z]{3}$',
          }),
          ...pages(5_000, 500),
        ],
        responses: answers('A page of sums.', pageOf('CostRow')),
      },
    },
    ...holdingPaths,
    ...costPaths,
    '/v1/costs/ingest': {
      post: {
        operationId: 'ingestCosts',
        summary: 'Reads a billing file and replaces what was stored of its periods.',
        requestBody: body(ref('IngestCosts')),
        responses: answers('What was read and stored.', ref('IngestResult')),
      },
    },
    '/v1/catalog/sources': {
      get: {
        operationId: 'listSources',
        summary: 'The sources of the catalog, and how they are.',
        responses: answers('All sources, by name.', ref('CatalogSources')),
      },
    },
    '/v1/catalog/sources/{provider}/{instance}': {
      get: {
        operationId: 'getSource',
        summary: 'One source with the entities that want attention.',
        parameters: source,
        responses: answers('The source.', ref('CatalogSourceDetails')),
      },
    },
    '/v1/catalog/sources/{provider}/{instance}/pause': changeSource(
      'pauseSource',
      'Leaves a source alone; the catalog keeps what it has.',
    ),
    '/v1/catalog/sources/{provider}/{instance}/resume': changeSource(
      'resumeSource',
      'Takes a paused source up again.',
    ),
    '/v1/catalog/sources/{provider}/{instance}/resync': changeSource(
      'resyncSource',
      'Reads a source as if for the first time, and sends everything to the portals again.',
    ),
    '/v1/catalog/sources/{provider}/{instance}/confirm': changeSource(
      'confirmRemovals',
      'Lets go of the removals that the guard holds.',
    ),
    '/v1/health': {
      get: {
        operationId: 'getHealth',
        summary: 'How the parts behind the portal are. The portal is fine when this answers.',
        responses: answers('The state of the parts.', ref('Health')),
        security: [],
      },
    },
  } as Record<string, Partial<Record<'get' | 'post', ApiOperation>>>,
  components: {
    schemas,
    securitySchemes: {
      backstage: {
        type: 'http',
        scheme: 'bearer',
        description: "A Backstage user's or service's token.",
      },
    },
  },
};
