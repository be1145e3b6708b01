import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { LazyNativeAddon, loadBinding, type NativeBinding } from './addon';
import { nativeFetch } from './nativeFetch';

const folder = mkdtempSync(join(tmpdir(), 'purser-addon-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function bindingWith(parts: Partial<NativeBinding>): LazyNativeAddon {
  const binding: NativeBinding = {
    version: () => '0.1.0',
    shutdown: () => undefined,
    listActions: () => '[]',
    listProviders: () => '[]',
    runAction: async () => undefined,
    refreshProvider: async () => '{}',
    ...parts,
  };
  return new LazyNativeAddon(() => ({ binding, path: 'test' }));
}

describe('loading the addon', () => {
  it('takes exactly the file of PURSER_NATIVE and says what is wrong with it', () => {
    const missing = join(folder, 'missing.node');
    assert.throws(() => loadBinding({ PURSER_NATIVE: missing }), {
      name: 'ServiceUnavailableError',
      message: /is not there for .*missing\.node: no such file/,
    });
    const broken = join(folder, 'broken.node');
    writeFileSync(broken, 'not a shared object');
    assert.throws(() => loadBinding({ PURSER_NATIVE: broken }), /broken\.node: /);
  });

  it('is tried once, and everything but status() says why it failed', async () => {
    let loads = 0;
    const addon = new LazyNativeAddon(() => {
      loads++;
      return loadBinding({ PURSER_NATIVE: join(folder, 'missing.node') });
    });
    assert.equal(addon.status().loaded, false);
    assert.match(addon.status().message ?? '', /PURSER_NATIVE/);
    assert.throws(() => addon.listActions(), { name: 'ServiceUnavailableError' });
    assert.equal(loads, 1);
    addon.close();
  });
});

describe('calling the addon', () => {
  it('passes JSON texts in and parsed values out', async () => {
    const addon = bindingWith({
      runAction: async (id, requestJson, callbacks) => {
        assert.equal(id, 'purser:template:render');
        assert.deepEqual(JSON.parse(requestJson), {
          input: { url: './skeleton' },
          workspace: '/work',
          secrets: { token: 's3cret' },
          idempotencyKey: 'a/b/c',
          user: '',
          dryRun: true,
        });
        callbacks.log('info', 'two\nlines');
        callbacks.output('files', '{"count":2}');
      },
    });
    const logs: string[] = [];
    const outputs: unknown[] = [];
    await addon.runAction({
      id: 'purser:template:render',
      input: { url: './skeleton' },
      workspace: '/work',
      secrets: { token: 's3cret' },
      idempotencyKey: 'a/b/c',
      dryRun: true,
      onLog: (level, text) => logs.push(`${level} ${text}`),
      onOutput: (name, value) => outputs.push([name, value]),
    });
    assert.deepEqual(logs, ['info two\nlines']);
    assert.deepEqual(outputs, [['files', { count: 2 }]]);
  });

  it('maps the codes of native errors', async () => {
    for (const [code, name] of [
      ['INVALID_ARGUMENT', 'InputError'],
      ['NOT_FOUND', 'NotFoundError'],
      ['UNAVAILABLE', 'ServiceUnavailableError'],
      ['CANCELLED', 'CancelledError'],
    ]) {
      const addon = bindingWith({
        refreshProvider: async () => {
          throw Object.assign(new Error('the reason'), { code });
        },
      });
      await assert.rejects(
        addon.refreshProvider({
          id: 'source-tree',
          instance: 'a',
          config: {},
          statePath: '/state',
          onLog: () => undefined,
          onChunk: async () => undefined,
        }),
        { name, message: 'the reason' },
      );
    }
  });
});

describe('the network of native code', () => {
  it('is the portal’s fetch: bytes both ways, redirects untouched, limits kept', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/moved') {
        response.writeHead(302, { location: '/elsewhere' }).end();
        return;
      }
      const pieces: Buffer[] = [];
      request.on('data', piece => pieces.push(piece));
      request.on('end', () => {
        response.setHeader('x-method', String(request.method));
        response.end(Buffer.concat(pieces));
      });
    }).listen(0, '127.0.0.1');
    try {
      await new Promise(resolve => server.once('listening', resolve));
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const send = (path: string, body?: Buffer, extra = {}) =>
        nativeFetch(
          JSON.stringify({
            method: body ? 'POST' : 'GET',
            url: base + path,
            headers: [],
            ...extra,
          }),
          body,
        );
      const bytes = Buffer.from([0, 255, 10, 13, 200]);
      const echo = await send('/echo', bytes);
      assert.equal(echo.status, 200);
      assert.deepEqual(echo.body, bytes);
      assert.deepEqual(
        echo.headers.find(([name]) => name === 'x-method'),
        ['x-method', 'POST'],
      );
      const moved = await send('/moved');
      assert.equal(moved.status, 302);
      await assert.rejects(send('/echo', bytes, { maxResponseBytes: 2 }), /larger than 2 bytes/);
      const abort = AbortSignal.abort();
      await assert.rejects(
        nativeFetch(JSON.stringify({ method: 'GET', url: base, headers: [] }), undefined, abort),
        { name: 'AbortError' },
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
