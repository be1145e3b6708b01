import { createHash } from 'node:crypto';
import type { HttpAuthService } from '@backstage/backend-plugin-api';
import { InputError, serializeError } from '@backstage/errors';
import type { PurserEvent } from '@purser/plugin-purser-common';
import type { PurserService } from '@purser/plugin-purser-node';
import express, { type Request, type Response, type Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { apiDocument } from './api/document';
import { createInputReader } from './api/validation';
import { type InputOf, type OperationName, operations, type Performer } from './operations';

/** Bytes of a body: the contract's 1 MiB of parameters and what surrounds them. */
export const MAX_BODY_BYTES = 1024 * 1024 + 16 * 1024;

/** Which operation answers a route. Paths and inputs are the API document's. */
export interface Route {
  method: 'get' | 'post';
  /** As the document writes it. */
  path: string;
  operation: OperationName;
  status?: number;
  stream?: boolean;
}

/** All routes, but /openapi.json, which says what they are. */
export const routes: Route[] = [
  { method: 'get', path: '/v1/blueprints', operation: 'listBlueprints' },
  { method: 'get', path: '/v1/requests', operation: 'listRequests' },
  { method: 'post', path: '/v1/requests', operation: 'createRequest', status: 201 },
  { method: 'get', path: '/v1/requests/{id}', operation: 'getRequest' },
  { method: 'get', path: '/v1/requests/{id}/events', operation: 'watchRequest', stream: true },
  { method: 'post', path: '/v1/requests/{id}/approve', operation: 'approveRequest' },
  { method: 'post', path: '/v1/requests/{id}/reject', operation: 'rejectRequest' },
  { method: 'post', path: '/v1/requests/{id}/cancel', operation: 'cancelRequest' },
  { method: 'post', path: '/v1/requests/{id}/retry', operation: 'retryRequest' },
  { method: 'get', path: '/v1/holdings', operation: 'listHoldings' },
  { method: 'post', path: '/v1/holdings', operation: 'importHolding', status: 201 },
  { method: 'get', path: '/v1/holdings/{id}', operation: 'getHolding' },
  { method: 'post', path: '/v1/holdings/{id}/change', operation: 'changeHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/transfer', operation: 'transferHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/suspend', operation: 'suspendHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/resume', operation: 'resumeHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/repair', operation: 'repairHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/delete', operation: 'deleteHolding', status: 201 },
  { method: 'post', path: '/v1/holdings/{id}/renew', operation: 'renewHolding' },
  { method: 'post', path: '/v1/holdings/{id}/protect', operation: 'protectHolding' },
  { method: 'post', path: '/v1/holdings/{id}/unprotect', operation: 'unprotectHolding' },
  { method: 'post', path: '/v1/holdings/{id}/inspect', operation: 'inspectHolding' },
  { method: 'post', path: '/v1/requests/{id}/steps/{step}/skip', operation: 'skipStep' },
  { method: 'post', path: '/v1/requests/{id}/steps/{step}/done', operation: 'markStepDone' },
  {
    method: 'post',
    path: '/v1/requests/{id}/steps/{step}/fork',
    operation: 'forkRequest',
    status: 201,
  },
  { method: 'get', path: '/v1/orphans', operation: 'listOrphans' },
  { method: 'post', path: '/v1/orphans/{id}/{step}/forget', operation: 'forgetOrphan' },
  { method: 'get', path: '/v1/audit/decisions', operation: 'listDecisions' },
  { method: 'get', path: '/v1/audit/verification', operation: 'verifyAudit' },
  {
    method: 'get',
    path: '/v1/entities/{kind}/{namespace}/{name}/resources',
    operation: 'listResources',
  },
  {
    method: 'get',
    path: '/v1/costs/entities/{kind}/{namespace}/{name}',
    operation: 'getEntityCosts',
  },
  { method: 'get', path: '/v1/costs/query', operation: 'queryCosts' },
  { method: 'get', path: '/v1/costs/top', operation: 'topCosts' },
  { method: 'get', path: '/v1/costs/compare', operation: 'compareCosts' },
  { method: 'get', path: '/v1/costs/reconciliation', operation: 'reconcileCosts' },
  {
    method: 'get',
    path: '/v1/costs/entities/{kind}/{namespace}/{name}/explanation',
    operation: 'explainEntityCosts',
  },
  {
    method: 'get',
    path: '/v1/costs/entities/{kind}/{namespace}/{name}/units',
    operation: 'getUnitCosts',
  },
  { method: 'post', path: '/v1/costs/explain', operation: 'explainCharge' },
  { method: 'get', path: '/v1/costs/forecast', operation: 'forecastCosts' },
  { method: 'get', path: '/v1/costs/budgets', operation: 'listBudgets' },
  { method: 'get', path: '/v1/costs/anomalies', operation: 'listAnomalies' },
  { method: 'post', path: '/v1/costs/estimate', operation: 'estimateCosts' },
  { method: 'get', path: '/v1/costs/statement', operation: 'getStatement' },
  { method: 'get', path: '/v1/costs/status', operation: 'getCostStatus' },
  { method: 'get', path: '/v1/costs/deliveries', operation: 'listCostDeliveries' },
  { method: 'get', path: '/v1/costs/diff', operation: 'diffCosts' },
  { method: 'get', path: '/v1/costs/sources', operation: 'listCostSources' },
  { method: 'post', path: '/v1/costs/ingest', operation: 'ingestCosts' },
  { method: 'get', path: '/v1/catalog/sources', operation: 'listSources' },
  {
    method: 'get',
    path: '/v1/catalog/sources/{provider}/{instance}',
    operation: 'getSource',
  },
  {
    method: 'post',
    path: '/v1/catalog/sources/{provider}/{instance}/pause',
    operation: 'pauseSource',
  },
  {
    method: 'post',
    path: '/v1/catalog/sources/{provider}/{instance}/resume',
    operation: 'resumeSource',
  },
  {
    method: 'post',
    path: '/v1/catalog/sources/{provider}/{instance}/resync',
    operation: 'resyncSource',
  },
  {
    method: 'post',
    path: '/v1/catalog/sources/{provider}/{instance}/confirm',
    operation: 'confirmRemovals',
  },
  { method: 'get', path: '/v1/health', operation: 'getHealth' },
];

/** Paths that need no credentials. */
export const publicPaths = [
  '/openapi.json',
  ...routes
    .filter(({ operation }) => operations[operation].access.kind === 'public')
    .map(({ path }) => path),
];

/** Input of an operation from a route's: entities come as three parts of the path. */
function toOperationInput(given: Record<string, unknown>): Record<string, unknown> {
  const { kind, namespace, name, ...rest } = given;
  return typeof kind === 'string'
    ? { entityRef: `${kind}:${String(namespace)}/${String(name)}`.toLowerCase(), ...rest }
    : given;
}

function lastEventId(req: Request): number | undefined {
  const header = req.header('last-event-id');
  return header && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

async function writeEvents(
  req: Request,
  res: Response,
  events: AsyncIterable<PurserEvent>,
  signal: AbortSignal,
): Promise<void> {
  const asEvents =
    req.accepts(['application/x-ndjson', 'text/event-stream']) === 'text/event-stream';
  res.status(200);
  res.setHeader('content-type', asEvents ? 'text/event-stream' : 'application/x-ndjson');
  res.setHeader('cache-control', 'no-store');
  // Proxies must hand each event on at once.
  res.setHeader('x-accel-buffering', 'no');
  res.flushHeaders();
  const write = async (chunk: string) => {
    if (!res.write(chunk) && !signal.aborted) {
      await new Promise<void>(resolve => {
        res.once('drain', resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  };
  try {
    for await (const event of events) {
      const text = JSON.stringify(event);
      await write(asEvents ? `id: ${event.sequence}\ndata: ${text}\n\n` : `${text}\n`);
    }
  } catch (error) {
    if (!signal.aborted) {
      // The status is sent: the last line is the only place left to say it.
      const text = JSON.stringify({ error: serializeError(error as Error) });
      await write(asEvents ? `event: error\ndata: ${text}\n\n` : `${text}\n`);
    }
  }
  res.end();
}

/** The REST API below /api/purser. */
export function createRouter(deps: { httpAuth: HttpAuthService; performer: Performer }): Router {
  const router = PromiseRouter();
  const parseBody = express.json({ limit: MAX_BODY_BYTES });
  router.get('/openapi.json', (_, res) => {
    res.json(apiDocument);
  });
  for (const route of routes) {
    const described = apiDocument.paths[route.path]?.[route.method];
    if (!described) {
      throw new Error(`${route.method} ${route.path} is not in the API document`);
    }
    const readInput = createInputReader(described);
    const isPublic = publicPaths.includes(route.path);
    const expressPath = route.path.replace(/\{(\w+)\}/g, ':$1');
    router[route.method](expressPath, parseBody, async (req, res) => {
      const credentials = isPublic
        ? undefined
        : await deps.httpAuth.credentials(req, { allow: ['user', 'service'] });
      if (route.method === 'post' && Object.keys(req.query).length > 0) {
        throw new InputError('this route takes no query');
      }
      const gone = new AbortController();
      res.once('close', () => gone.abort());
      const given = readInput({
        params: req.params,
        query: req.query,
        body: route.method === 'post' && hasBody(req) ? req.body : undefined,
      });
      if (route.stream && given.after === undefined) {
        given.after = lastEventId(req);
      }
      // How sources are doing changes without the data.
      const isCosts =
        route.method === 'get' &&
        route.path.startsWith('/v1/costs/') &&
        route.operation !== 'listCostSources';
      let output: unknown;
      try {
        output = await deps.performer.perform(
          route.operation,
          toOperationInput(given) as unknown as InputOf<OperationName>,
          {
            credentials,
            http: req,
            signal: gone.signal,
            before: isCosts ? ({ purser }) => tagCosts(req, res, purser) : undefined,
          },
        );
      } catch (error) {
        if (!(error instanceof NotModified)) {
          throw error;
        }
        res.status(304).end();
        return;
      }
      if (route.operation === 'getStatement') {
        const { text, mediaType } = output as { text: string; mediaType: string };
        res.status(200).type(mediaType);
        // The page is made of what bills and catalogs say: nothing in it may run.
        res.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
        res.send(text);
      } else if (route.stream) {
        await writeEvents(req, res, output as AsyncIterable<PurserEvent>, gone.signal);
      } else {
        res.status(route.status ?? 200).json(output);
      }
    });
  }
  return router;
}

/** What a reader who has the answer already is told. */
class NotModified extends Error {}

/**
 * For answers that change only with the data of costs: gives them a tag of the query and the data's
 * version, and ends the call when the reader has that one.
 */
async function tagCosts(req: Request, res: Response, purser: PurserService): Promise<void> {
  const { dataVersion } = await purser.sidecar.costs.status();
  const query = createHash('sha256').update(req.originalUrl).digest('base64url').slice(0, 16);
  const tag = `"${dataVersion}-${query}"`;
  res.setHeader('etag', tag);
  res.setHeader('cache-control', 'private, no-cache');
  // Proxies that compress an answer make its tag a weak one, which is as good here.
  const known = req.header('if-none-match')?.split(',') ?? [];
  if (known.some(one => one.trim().replace(/^W\//, '') === tag)) {
    throw new NotModified();
  }
}

function hasBody(req: Request): boolean {
  return (
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length']) > 0
  );
}
