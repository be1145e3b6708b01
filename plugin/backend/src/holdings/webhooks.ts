import { AuthenticationError, InputError } from '@backstage/errors';
import type { PurserService } from '@purser/plugin-purser-node';
import express, { type Request, type Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { createHash } from 'node:crypto';

/** Bytes of a message; the sidecar's own limit. */
export const MAX_WEBHOOK_BYTES = 256 * 1024;

/** Below which senders need no credentials of the portal: the signature is theirs. */
export const WEBHOOK_PATH = '/v1/webhooks';

const one = (req: Request, ...names: string[]) =>
  names.map(name => req.header(name)).find(value => value !== undefined) ?? '';

/**
 * Messages from outside for steps that wait (wait/webhook). What is signed is checked by the sidecar,
 * which knows the key; nothing about requests is told to who has none.
 */
export function createWebhookRouter(purser: PurserService): Router {
  const router = PromiseRouter();
  // The signature is of the bytes as they came.
  const parseBody = express.raw({ type: () => true, limit: MAX_WEBHOOK_BYTES });
  router.post(`${WEBHOOK_PATH}/:request/:step`, parseBody, async (req, res) => {
    const body: Buffer = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    const { request, step } = req.params;
    if (request.length > 128 || step.length > 128) {
      throw new InputError('ids have at most 128 characters');
    }
    const signature = one(req, 'x-purser-signature', 'x-hub-signature-256');
    if (!signature) {
      throw new AuthenticationError('the message is not one to be trusted');
    }
    await purser.sidecar.holdings.deliver({
      requestId: request,
      stepId: step,
      body,
      signature,
      timestamp: one(req, 'x-purser-timestamp'),
      // A sender without ids of its own sends the same message with the same words.
      deliveryId:
        one(req, 'x-purser-delivery', 'x-github-delivery', 'x-gitlab-event-uuid') ||
        createHash('sha256').update(body).digest('hex'),
    });
    res.status(202).end();
  });
  return router;
}
