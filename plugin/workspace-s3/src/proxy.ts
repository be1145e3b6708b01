import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { InputError } from '@backstage/errors';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';

/** As of the SDK's own agents. */
const AGENT_OPTIONS: AgentOptions = { keepAlive: true, maxSockets: 50 };
const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** Both spellings are common; tools take the small one first. */
function variable(env: NodeJS.ProcessEnv, name: string): string {
  return env[name.toLowerCase()] || env[name] || '';
}

/** True when an entry of NO_PROXY ("host", ".suffix", "*.suffix", each with ":port", or "*") names it. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || DEFAULT_PORTS[url.protocol];
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some(entry => {
      if (entry === '*') {
        return true;
      }
      const [, name, wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(
        // An address of IPv6 without brackets has colons of its own.
        /^[^[]*:[^[]*:/.test(entry) ? `[${entry}]` : entry,
      )!;
      if (wantedPort && wantedPort !== port) {
        return false;
      }
      const suffix = name.replace(/^\*?\./, '');
      return host === suffix || host.endsWith(`.${suffix}`);
    });
}

/** The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for on the way to `url`. */
export function proxyOf(url: URL, env: NodeJS.ProcessEnv = process.env): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = variable(env, name);
  if (!text || isExempt(url, variable(env, 'NO_PROXY'))) {
    return undefined;
  }
  const withScheme = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(withScheme) || !/^https?:\/\//.test(withScheme)) {
    // Without its value: it may hold a password.
    throw new InputError(`${name}: is no http(s) URL of a proxy`);
  }
  return new URL(withScheme);
}

/** Agents on the way to `url`, through a proxy where the environment asks for one. */
export function createAgents(
  url: URL,
  env: NodeJS.ProcessEnv = process.env,
): { httpAgent: HttpAgent; httpsAgent: HttpsAgent } {
  const proxy = proxyOf(url, env);
  const agents = {
    httpAgent: new HttpAgent(AGENT_OPTIONS),
    httpsAgent: new HttpsAgent(AGENT_OPTIONS),
  };
  if (proxy && url.protocol === 'https:') {
    // An agent of Node's in all that the SDK asks of one, but typed as its base class.
    agents.httpsAgent = new HttpsProxyAgent(proxy, AGENT_OPTIONS) as unknown as HttpsAgent;
  } else if (proxy) {
    agents.httpAgent = new HttpProxyAgent(proxy, AGENT_OPTIONS);
  }
  return agents;
}
