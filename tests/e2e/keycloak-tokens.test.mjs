// The provider keycloak against tokens of a real issuer: oidc-provider, certified OpenID Connect, gives
// and ends the tokens; beside it stands Keycloak's admin API, which takes only such as the issuer knows.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import Provider from 'oidc-provider';
import { at } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';

const require = createRequire(at('plugin/catalog-module/package.json'));
const { ConfigReader } = require('@backstage/config');
const { createPurserService } = require('@purser/plugin-purser-node');

const SECRET = 'a secret of the test';
const REALM = '/realms/acme';
const ADMIN = '/admin/realms/acme';
const PAGE = 2;

const folder = mkdtempSync(path.join(tmpdir(), 'purser-oidc-'));
const socket = path.join(folder, 'run', 'purserd.sock');
/** What the realm holds: names of their own for each source, since two do not show one entity. */
let users;
let groups;
function fill(prefix) {
  users = ['ada', 'bob', 'cy', 'dee', 'eve'].map(name => ({
    id: `${prefix}-${name}`,
    username: `${prefix}-${name}`,
    enabled: name !== 'eve',
  }));
  groups = [{ id: 'g1', name: `${prefix}-eng`, subGroupCount: 0 }];
}

let issuer;
let server;
let sidecar;
let purser;
/** What the admin API was asked, and how it answered. */
let asked = [];
/** Called before a page of users is given, with the token that asks for it. */
let beforeUsers = async () => {};

const paged = (items, query) => {
  const first = Number(query.get('first'));
  return items.slice(first, first + Number(query.get('max')));
};

/** Keycloak's admin API, as far as it is read. */
async function answer(pathname, query, token) {
  switch (pathname) {
    case `${ADMIN}/users/count`:
      return users.length;
    case `${ADMIN}/users`:
      await beforeUsers(Number(query.get('first')), token);
      return paged(users, query);
    case `${ADMIN}/groups`:
      return paged(groups, query);
    case `${ADMIN}/groups/g1/members`:
      return paged(users.slice(0, 2), query);
    default:
      return undefined;
  }
}

async function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://issuer');
  if (pathname.startsWith(REALM)) {
    request.url = request.url.slice(REALM.length);
    return issuer.callback()(request, response);
  }
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const known = token && (await issuer.ClientCredentials.find(token));
  const body = known?.isValid ? await answer(pathname, searchParams, known) : undefined;
  const status = !known?.isValid ? 401 : body === undefined ? 404 : 200;
  asked.push(`${status} ${pathname}`);
  response.writeHead(status, { 'content-type': 'application/json' });
  return response.end(JSON.stringify(body ?? { error: status }));
}

before(async () => {
  server = http.createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  issuer = new Provider(`http://127.0.0.1:${port}${REALM}`, {
    clients: [
      {
        client_id: 'purser',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        // As Keycloak takes it: in the form.
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    routes: { token: '/protocol/openid-connect/token' },
    ttl: { ClientCredentials: 600 },
  });
  const config = path.join(folder, 'purserd.yaml');
  writeFileSync(
    config,
    `state: ${path.join(folder, 'state')}\nlisten: { unix: { path: ${socket} } }\n` +
      `http: { address: "127.0.0.1:0" }\nnetwork: { allow: ["127.0.0.1:${port}"] }\n`,
  );
  sidecar = spawn(at('build/release/bin/purserd'), ['--config', config], {
    stdio: 'ignore',
    env: { ...process.env, PURSER_SECRET_KEYCLOAK: SECRET, PURSER_SECRET_OTHER: 'another' },
  });
  await once(sidecar, 'spawn');
  purser = createPurserService({
    config: new ConfigReader({
      purser: { sidecar: { address: `unix:${socket}` }, stateDirectory: path.join(folder, 'addon') },
    }),
  });
  await until('purserd', () => purser.sidecar.listProviders());
});

after(async () => {
  purser?.close();
  const gone = once(sidecar, 'exit');
  sidecar.kill('SIGTERM');
  await gone;
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  asked = [];
  beforeUsers = async () => {};
});

/** Follows a source of its own until `done` says so; what it gave. */
async function follow(instance, config, done, abort = new AbortController()) {
  const names = new Set();
  const messages = purser.sidecar.refreshProvider(
    {
      id: 'keycloak',
      instance,
      config: {
        url: `http://127.0.0.1:${server.address().port}`,
        realm: 'acme',
        clientId: 'purser',
        clientSecret: 'env:PURSER_SECRET_KEYCLOAK',
        pageSize: PAGE,
        ...config,
      },
      options: {},
      follow: true,
    },
    { signal: abort.signal },
  );
  try {
    for await (const message of messages) {
      if (message.type === 'delta') {
        for (const { metadata } of message.upserts) names.add(metadata.name);
      }
      if (await done(names)) break;
    }
  } finally {
    abort.abort();
  }
  return [...names].sort();
}

// Eve is disabled.
const everybody = prefix => ['ada', 'bob', 'cy', 'dee', 'eng'].map(name => `${prefix}-${name}`);
const all = names => names.size >= 5;

describe('keycloak with a real token issuer', () => {
  it('signs in by client credentials and reads with one token', async () => {
    fill('plain');
    assert.deepEqual(await follow('plain', {}, all), everybody('plain'));
    assert.ok(asked.length >= 6, asked.join());
    assert.deepEqual(asked.filter(line => !line.startsWith('200 ')), []);
  });

  it('signs in again when its token is ended in the middle of paging', async () => {
    fill('ended');
    beforeUsers = async (first, token) => {
      if (first !== PAGE) return;
      beforeUsers = async () => {};
      await token.destroy();
    };
    assert.deepEqual(await follow('ended', {}, all), everybody('ended'));
    assert.equal(asked.filter(line => line.startsWith('401 ')).length, 1, asked.join());
  });

  it('reads nothing with a wrong secret, and says that the client is refused', async () => {
    fill('refused');
    const config = { clientSecret: 'env:PURSER_SECRET_OTHER' };
    const abort = new AbortController();
    const followed = follow('refused', config, () => false, abort).catch(() => []);
    const error = await until('the refusal', async () => {
      const sources = await purser.sidecar.listSources();
      return sources.find(({ name }) => name === 'keycloak/refused')?.error;
    });
    abort.abort();
    assert.deepEqual(await followed, []);
    assert.match(error, /sign in/);
    assert.doesNotMatch(error, /another/);
    assert.deepEqual(asked, []);
  });
});
