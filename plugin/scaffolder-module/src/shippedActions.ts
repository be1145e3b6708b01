import type { ActionDescription } from '@purser/plugin-purser-node';
import portalActions from './generated/portal-actions.json';
import sidecarActions from './generated/sidecar-actions.json';

// Written by describe-actions.mjs from the programs themselves: a portal that starts without them must still
// know the ids and schemas of its templates' steps.
export const shippedPortalActions = portalActions as unknown as ActionDescription[];
export const shippedSidecarActions = sidecarActions as unknown as ActionDescription[];
