import type { PermissionsService } from '@backstage/backend-plugin-api';
import { InputError, NotAllowedError } from '@backstage/errors';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import {
  purserRequestCreatePermission,
  purserRequestReadPermission,
} from '@purser/plugin-purser-common';
import type { ActionAdapter } from '../templateAction';

/** `purser:request`: a template is no way around the permission to ask for products. */
export function createRequestAdapter(permissions: PermissionsService): ActionAdapter {
  return {
    checkpoint: true,
    async authorize(ctx) {
      const [decision] = await permissions.authorize(
        [{ permission: purserRequestCreatePermission }],
        { credentials: await ctx.getInitiatorCredentials() },
      );
      if (decision.result !== AuthorizeResult.ALLOW) {
        throw new NotAllowedError('you may not create purser requests');
      }
    },
  };
}

/** `purser:request:await`: only for requests that the task's user may see. */
export function createAwaitAdapter(permissions: PermissionsService): ActionAdapter {
  return {
    checkpoint: true,
    async authorize(ctx) {
      const { requestId } = ctx.input;
      if (typeof requestId !== 'string') {
        throw new InputError('/requestId: must be a text');
      }
      if (ctx.isDryRun) {
        return;
      }
      const [decision] = await permissions.authorize(
        [{ permission: purserRequestReadPermission, resourceRef: requestId }],
        { credentials: await ctx.getInitiatorCredentials() },
      );
      if (decision.result !== AuthorizeResult.ALLOW) {
        throw new NotAllowedError(`you may not see purser request ${requestId}`);
      }
    },
  };
}
