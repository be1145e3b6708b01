import {
  ApiBlueprint,
  createFrontendPlugin,
  discoveryApiRef,
  fetchApiRef,
  PageBlueprint,
} from '@backstage/frontend-plugin-api';
import { EntityCardBlueprint } from '@backstage/plugin-catalog-react/alpha';
import MoneyIcon from '@material-ui/icons/AttachMoney';
import { CostsClient, costsApiRef } from './costsApi';
import { rootRouteRef } from './routes';

const api = ApiBlueprint.make({
  params: defineParams =>
    defineParams({
      api: costsApiRef,
      deps: { discoveryApi: discoveryApiRef, fetchApi: fetchApiRef },
      factory: deps => new CostsClient(deps),
    }),
});

const page = PageBlueprint.make({
  params: {
    path: '/costs',
    title: 'Costs',
    icon: <MoneyIcon fontSize="inherit" />,
    routeRef: rootRouteRef,
    loader: () => import('./components/CostsPage').then(m => <m.CostsPage />),
  },
});

const entityCard = EntityCardBlueprint.make({
  name: 'costs',
  params: {
    type: 'info',
    filter: { kind: { $in: ['component', 'resource', 'api', 'system', 'group'] } },
    loader: () => import('./components/EntityCostsCard').then(m => <m.EntityCostsCard />),
  },
});

/**
 * An example of what a platform team may show of its costs: a page and a card on entities, over
 * Purser's REST (docs/costs-serving.md).
 */
export const costsPlugin = createFrontendPlugin({
  pluginId: 'costs',
  title: 'Costs',
  icon: <MoneyIcon fontSize="inherit" />,
  routes: { root: rootRouteRef },
  extensions: [api, page, entityCard],
});
