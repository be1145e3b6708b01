import { createApp } from '@backstage/frontend-defaults';
import { costsPlugin } from './costs';
import { navModule } from './nav';

// Every other feature is found by `app.packages: all` among this package's dependencies.
export default createApp({ features: [navModule, costsPlugin] });
