import type { PermissionsService } from '@backstage/backend-plugin-api';
import { InputError, NotAllowedError } from '@backstage/errors';
import {
  AuthorizeResult,
  type AuthorizePermissionRequest,
} from '@backstage/plugin-permission-common';
import {
  holdingResourceRef,
  purserHoldingManagePermission,
  purserRequestCreatePermission,
  purserRequestReadPermission,
  type PurserRequest,
} from '@purser/plugin-purser-common';
import { isUnavailable, type LogLevel, type SidecarClient } from '@purser/plugin-purser-node';
import type { JsonObject } from '@backstage/types';
import { whenAvailable } from '../sidecarRun';
import type { ActionAdapter, PurserActionContext } from '../templateAction';

/** What the adapters of requests use. */
export interface RequestAdapterDeps {
  permissions: PermissionsService;
  sidecar: SidecarClient;
  /** Milliseconds for which a sidecar that is away is waited for. */
  retryFor: number;
}

async function requirePermission(
  permissions: PermissionsService,
  ctx: PurserActionContext,
  request: AuthorizePermissionRequest,
  otherwise: string,
): Promise<void> {
  const [{ result }] = await permissions.authorize([request], {
    credentials: await ctx.getInitiatorCredentials(),
  });
  if (result !== AuthorizeResult.ALLOW) {
    throw new NotAllowedError(otherwise);
  }
}

const requireHolding = (
  { permissions }: RequestAdapterDeps,
  ctx: PurserActionContext,
  id: string,
) =>
  requirePermission(
    permissions,
    ctx,
    {
      permission: purserHoldingManagePermission,
      resourceRef: holdingResourceRef(id),
    },
    `you may not change what purser request ${id} made`,
  );

const waiting = ({ retryFor }: RequestAdapterDeps, { logger, signal }: PurserActionContext) => ({
  retryFor,
  signal,
  onLog: (level: LogLevel, text: string) => logger[level](text),
});

/** `purser:request`: a template is no way around the permission to ask for products. */
export function createRequestAdapter(deps: RequestAdapterDeps): ActionAdapter {
  return {
    checkpoint: true,
    async authorize(ctx) {
      await requirePermission(
        deps.permissions,
        ctx,
        {
          permission: purserRequestCreatePermission,
        },
        'you may not create purser requests',
      );
    },
    async prepare(ctx) {
      const { blueprint, parameters, owner } = ctx.input;
      const wish = {
        blueprint: String(blueprint),
        parameters: (parameters ?? {}) as JsonObject,
        owner: owner === undefined ? undefined : String(owner),
        requester: ctx.user?.ref ?? '',
        validateOnly: true,
      };
      let plan: PurserRequest | undefined;
      try {
        plan = await whenAvailable(() => deps.sidecar.createRequest(wish), waiting(deps, ctx));
      } catch (error) {
        // What is wrong with the wish is told by the action, which may also know it from before.
        if (isUnavailable(error)) {
          throw error;
        }
      }
      // Asking again for an entity that is there changes it, which is more than to create.
      if (plan?.kind === 'change' && plan.holdingId) {
        await requireHolding(deps, ctx, plan.holdingId);
      }
      return { input: ctx.input };
    },
  };
}

/** `purser:request:await`: only for requests that the task's user may see. */
export function createAwaitAdapter({ permissions }: RequestAdapterDeps): ActionAdapter {
  return {
    checkpoint: true,
    async authorize(ctx) {
      const { requestId } = ctx.input;
      if (typeof requestId !== 'string') {
        throw new InputError('/requestId: must be a text');
      }
      if (!ctx.isDryRun) {
        await requirePermission(
          permissions,
          ctx,
          {
            permission: purserRequestReadPermission,
            resourceRef: requestId,
          },
          `you may not see purser request ${requestId}`,
        );
      }
    },
  };
}

/**
 * `purser:holding:…`: only for what the task's user may manage. The holding is looked up once, by
 * whatever name the template has for it, so that what is judged is what is changed.
 */
export function createHoldingAdapter(deps: RequestAdapterDeps): ActionAdapter {
  return {
    checkpoint: true,
    async prepare(ctx) {
      const { holding } = ctx.input;
      if (typeof holding !== 'string' || holding === '') {
        throw new InputError('/holding: must be an id or an entity ref');
      }
      const { id } = await whenAvailable(
        () => deps.sidecar.holdings.get(holding),
        waiting(deps, ctx),
      );
      await requireHolding(deps, ctx, id);
      return { input: { ...ctx.input, holding: id } };
    },
  };
}
