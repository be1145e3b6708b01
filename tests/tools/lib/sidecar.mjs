// purserd's configuration for the demo.
import { at } from './repo.mjs';
import { fileUrl } from './state.mjs';

/** The file's text with the given blueprint folders and whole sections; JSON is YAML. */
export function sidecarConfig(paths, blueprints, sections = {}) {
  const config = {
    ...sections,
    state: paths.sidecar,
    listen: { unix: { path: paths.socket } },
    http: { address: '127.0.0.1:0' },
    blueprints,
    connectors: {
      ...sections.connectors,
      core: {},
      files: { root: paths.gitops },
      git: { remotes: [{ url: fileUrl(paths.gitopsRemote) }] },
    },
    costs: {
      folders: [paths.billing],
      allocation: at('examples/billing/allocation.yaml'),
      budgets: at('examples/billing/budgets.yaml'),
      prices: at('examples/billing/prices.yaml'),
    },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
