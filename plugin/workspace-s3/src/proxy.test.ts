import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { ConfigReader } from '@backstage/config';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { readS3WorkspaceConfig } from './config';
import { createS3Client } from './module';
import { proxyOf } from './proxy';
import { S3WorkspaceProvider } from './s3WorkspaceProvider';
import { S3Server } from './testing/s3Server';

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** A proxy as companies have it: forwards plain requests, opens tunnels, asks for a password. */
class TestProxy {
  /** "PUT http://…", "CONNECT host:port" in order. */
  readonly calls: string[] = [];
  /** Where tunnels lead, whatever they were asked for. */
  tunnelTo = 0;
  readonly #server: Server;

  constructor() {
    const wanted = `Basic ${Buffer.from('user:pass word').toString('base64')}`;
    this.#server = createServer((request, response) => {
      this.calls.push(`${request.method} ${request.url}`);
      if (request.headers['proxy-authorization'] !== wanted) {
        response.writeHead(407).end();
        return;
      }
      const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = request.headers;
      const onward = httpRequest(request.url!, { method: request.method, headers }, answer => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    this.#server.on('connect', (request, socket) => {
      this.calls.push(`CONNECT ${request.url}`);
      if (request.headers['proxy-authorization'] !== wanted) {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
        return;
      }
      const onward = connect(this.tunnelTo, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
  }

  async start(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://user:pass%20word@127.0.0.1:${portOf(this.#server)}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('the environment says which proxy', () => {
  const find = (url: string, env: NodeJS.ProcessEnv) => proxyOf(new URL(url), env)?.href;
  const proxy = 'http://proxy.example:3128/';

  it('by the scheme of the store, in either spelling', () => {
    assert.equal(find('https://s3.example', { HTTPS_PROXY: proxy }), proxy);
    assert.equal(find('https://s3.example', { https_proxy: 'proxy.example:3128' }), proxy);
    assert.equal(find('http://s3.example', { HTTP_PROXY: proxy }), proxy);
    assert.equal(find('http://s3.example', { HTTPS_PROXY: proxy }), undefined);
    assert.equal(find('https://s3.example', {}), undefined);
    assert.throws(
      () => find('https://s3.example', { HTTPS_PROXY: 'socks5://secret@x' }),
      error => {
        assert.match((error as Error).message, /HTTPS_PROXY: is no http\(s\) URL/);
        assert.doesNotMatch((error as Error).message, /secret/);
        return true;
      },
    );
  });

  it('and which hosts need none', () => {
    for (const noProxy of [
      '*',
      's3.example',
      '.example',
      '*.example',
      'example',
      'other, S3.Example',
      's3.example:443',
    ]) {
      const env = { HTTPS_PROXY: proxy, NO_PROXY: noProxy };
      assert.equal(find('https://s3.example', env), undefined, noProxy);
    }
    for (const noProxy of ['s3.example:9000', '3.example', 'b.s3.example', 'example.org', '']) {
      const env = { HTTPS_PROXY: proxy, no_proxy: noProxy };
      assert.equal(find('https://s3.example', env), proxy, noProxy);
    }
    const six = { HTTP_PROXY: proxy, NO_PROXY: '::1' };
    assert.equal(find('http://[::1]:9000', six), undefined);
    assert.equal(find('http://[::2]:9000', six), proxy);
  });
});

describe('workspaces through a proxy', () => {
  const TASK = '0b2f8c1e-6a39-4c1f-9c57-3f5d5f0a1d12';
  let store: S3Server;
  let proxy: TestProxy;
  let folder: string;

  before(async () => {
    store = await S3Server.start();
    proxy = new TestProxy();
    await proxy.start();
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'purser-proxy-')));
    mkdirSync(join(folder, 'first'));
    writeFileSync(join(folder, 'first/file'), 'text');
  });

  after(async () => {
    proxy.stop();
    await store.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(() => {
    proxy.calls.length = 0;
    store.calls.length = 0;
  });

  async function thereAndBack(extra: object, env: NodeJS.ProcessEnv): Promise<void> {
    const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
    const rootConfig = new ConfigReader({
      scaffolder: { taskRecovery: { s3: store.config(extra) as never } },
    });
    const config = readS3WorkspaceConfig(rootConfig)!;
    const client = createS3Client(config, rootConfig, env);
    try {
      const provider = new S3WorkspaceProvider({ client, config, logger: logger as LoggerService });
      const target = join(folder, 'second');
      await provider.serializeWorkspace({ path: join(folder, 'first'), taskId: TASK });
      await provider.rehydrateWorkspace({ taskId: TASK, targetPath: target });
      assert.equal(readFileSync(join(target, 'file'), 'utf8'), 'text');
      rmSync(target, { recursive: true });
    } finally {
      client.destroy();
    }
  }

  it('goes through it without TLS', async () => {
    await thereAndBack({}, { HTTP_PROXY: proxy.url });
    assert.equal(proxy.calls.length, store.calls.length);
    assert.match(proxy.calls[0], new RegExp(`^PUT ${store.endpoint}/workspaces/`));
  });

  it('tunnels with TLS', async () => {
    const config = join(folder, 'openssl.cnf');
    execFileSync(
      'openssl',
      [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1'.split(' '),
        ...['-subj', '/CN=store.example', '-addext', 'subjectAltName=DNS:store.example'],
        ...['-keyout', `${config}.key`, '-out', `${config}.pem`],
      ],
      { stdio: 'ignore' },
    );
    // In front of the store: ends TLS, hands the rest on.
    const port = Number(new URL(store.endpoint).port);
    const front = createTlsServer(
      { key: readFileSync(`${config}.key`), cert: readFileSync(`${config}.pem`) },
      socket => {
        const onward = connect(port, '127.0.0.1');
        socket.pipe(onward).pipe(socket);
        socket.on('error', () => onward.destroy());
        onward.on('error', () => socket.destroy());
      },
    );
    await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve));
    proxy.tunnelTo = portOf(front);
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      await thereAndBack({ endpoint: 'https://store.example' }, { HTTPS_PROXY: proxy.url });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
      front.close();
    }
    assert.ok(proxy.calls.length >= 1);
    assert.deepEqual([...new Set(proxy.calls)], ['CONNECT store.example:443']);
    assert.ok(store.calls.length >= 2);
  });

  it('goes past it to a host of NO_PROXY', async () => {
    await thereAndBack({}, { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' });
    assert.deepEqual(proxy.calls, []);
  });

  it('says what is wrong when nothing answers there', async () => {
    const closed = createTcpServer();
    await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve));
    const port = portOf(closed);
    await new Promise(resolve => closed.close(resolve));
    await assert.rejects(
      thereAndBack({}, { HTTP_PROXY: `http://127.0.0.1:${port}` }),
      /cannot keep the workspace of task .*ECONNREFUSED/,
    );
  });
});
