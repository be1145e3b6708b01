import { createRouteRef } from '@backstage/frontend-plugin-api';

/** The page of costs. */
export const rootRouteRef = createRouteRef();
