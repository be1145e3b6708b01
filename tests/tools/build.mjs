// `npm run build`: builds everything; needs the packages to be installed (`npm start` installs them).
import { buildAll } from './lib/build.mjs';
import { main } from './lib/repo.mjs';

await main(() => buildAll({ withTests: true }));
