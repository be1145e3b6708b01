// What a caller in JavaScript sees of the addon: arguments, errors, outputs, logs, cancellation.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { load, testPath } from './load.mjs';

const addon = load(testPath());
const folder = mkdtempSync(join(tmpdir(), 'purser-addon-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const run = (id, input, callbacks = {}, signal = undefined, more = {}) =>
  addon.runAction(id, JSON.stringify({ input, ...more }), callbacks, signal);

const hasCode = (code, pattern = /./) => error => {
  assert.ok(error instanceof Error);
  assert.equal(error.code, code, error.message);
  assert.equal(error.name, code === 'CANCELLED' ? 'AbortError' : 'PurserError');
  assert.match(error.message, pattern);
  return true;
};

describe('surface', () => {
  test('has exactly what purser.d.ts says', () => {
    const declared = readFileSync(
      new URL('../../native/addon/purser.d.ts', import.meta.url),
      'utf8',
    ).matchAll(/^export function (\w+)/gm);
    assert.deepEqual(Object.keys(addon).sort(), [...declared].map(match => match[1]).sort());
    assert.match(addon.version(), /^\d+\.\d+\.\d+$/);
  });

  test('lists actions and providers as JSON', () => {
    const actions = JSON.parse(addon.listActions());
    const echo = actions.find(action => action.id === 'test:echo');
    assert.equal(echo.host, 'portal');
    assert.equal(echo.schema.input.properties.size.default, 7);
    assert.equal(echo.examples.length, 3);
    assert.equal(echo.supportsDryRun, true);
    const [provider] = JSON.parse(addon.listProviders());
    assert.equal(provider.id, 'test');
    assert.equal(provider.hasDeltas, false);
  });
});

describe('arguments', () => {
  const wrong = [
    ['no arguments', []],
    ['a number as id', [1, '{}', {}]],
    ['null as id', [null, '{}', {}]],
    ['a very long id', ['x'.repeat(1000), '{}', {}]],
    ['an object as request', ['test:echo', {}, {}]],
    ['a Float64Array as request', ['test:echo', new Float64Array(2), {}]],
    ['no callbacks', ['test:echo', '{}']],
    ['a string as callbacks', ['test:echo', '{}', 'x']],
    ['a plain object as signal', ['test:echo', '{}', {}, {}]],
    ['a number as signal', ['test:echo', '{}', {}, 5]],
    ['malformed JSON', ['test:echo', '{"input":', {}]],
    ['an array', ['test:echo', '[]', {}]],
    ['invalid UTF-8', ['test:echo', Buffer.from([0x22, 0xff, 0x22]), {}]],
    ['a misspelled field', ['test:echo', '{"inptu":{}}', {}]],
    ['input of the wrong type', ['test:echo', '{"input":7}', {}]],
    ['a secret that is no text', ['test:echo', '{"secrets":{"a":1}}', {}]],
    ['input that breaks the schema', ['test:echo', '{"input":{"size":"x","name":4}}', {}]],
  ];
  for (const method of ['runAction', 'refreshProvider']) {
    for (const [what, args] of wrong) {
      if (method === 'refreshProvider' && what === 'input that breaks the schema') continue;
      test(`${method} rejects ${what}`, async () => {
        const given = [...args];
        if (method === 'refreshProvider' && given[0] === 'test:echo') given[0] = 'test';
        const promise = addon[method](...given);
        assert.ok(promise instanceof Promise, 'rejects, does not throw');
        await assert.rejects(promise, error => {
          assert.match(error.code, /^(INVALID_ARGUMENT|RESOURCE_EXHAUSTED)$/);
          return true;
        });
      });
    }
  }

  test('all violations are named at once', async () => {
    await assert.rejects(
      run('test:echo', { size: 'x', name: 4 }),
      hasCode('INVALID_ARGUMENT', /\/name[^]*\/size|\/size[^]*\/name/),
    );
  });

  test('an unknown action and provider are NOT_FOUND', async () => {
    await assert.rejects(run('test:none', {}), hasCode('NOT_FOUND', /test:none/));
    await assert.rejects(addon.refreshProvider('none', '{}', {}), hasCode('NOT_FOUND', /none/));
  });

  test('a request larger than 64 MiB is refused before it is read', async () => {
    await assert.rejects(
      addon.runAction('test:echo', Buffer.alloc((64 << 20) + 1, 0x20), {}),
      hasCode('RESOURCE_EXHAUSTED', /request/),
    );
  });

  test('a callbacks object with throwing getters does no harm', async () => {
    const evil = new Proxy({}, { get: () => { throw new Error('getter'); } });
    await assert.rejects(run('test:echo', {}, evil), hasCode('INTERNAL'));
    await run('test:flood', { lines: 3 }, evil);
  });
});

describe('results', () => {
  test('outputs arrive in order before the promise settles, defaults filled in', async () => {
    const outputs = [];
    await run(
      'test:echo',
      { name: 'ä€😀' },
      { output: (name, json) => outputs.push([name, JSON.parse(json)]) },
      undefined,
      { workspace: '/tmp', user: 'user:default/guest', idempotencyKey: 'k', dryRun: true },
    );
    assert.deepEqual(outputs, [
      ['input', { name: 'ä€😀', size: 7 }],
      ['workspace', '/tmp'],
      ['user', 'user:default/guest'],
      ['key', 'k'],
      ['dryRun', true],
    ]);
  });

  test('a request may be bytes', async () => {
    await addon.runAction('test:echo', Buffer.from('{"input":{}}'), { output() {} }, null);
  });

  test('errors carry code, name, retry hint and unknown outcome', async () => {
    await assert.rejects(
      run('test:fail', { code: 14, message: 'later', retryAfterMs: 1500, outcomeUnknown: true }),
      error => {
        assert.equal(error.code, 'UNAVAILABLE');
        assert.equal(error.message, 'later');
        assert.equal(error.retryAfterMs, 1500);
        assert.equal(error.outcomeUnknown, true);
        return true;
      },
    );
    await assert.rejects(run('test:fail', { code: 5, message: 'x' }), error => {
      assert.equal('retryAfterMs' in error, false);
      assert.equal('outcomeUnknown' in error, false);
      return true;
    });
  });

  test('a C++ exception becomes an error of the call', async () => {
    await assert.rejects(run('test:throw', {}), hasCode('INTERNAL', /thrown by the action/));
    await assert.rejects(run('test:throw', { standard: false }), hasCode('INTERNAL'));
  });

  test('secrets leave in no form', async () => {
    const seen = [];
    await assert.rejects(
      run(
        'test:leak',
        {},
        { log: (_, text) => seen.push(text), output: (_, json) => seen.push(json) },
        undefined,
        { secrets: { token: 'ghp_"quoted"\\value' } },
      ),
      error => seen.push(error.message) > 0,
    );
    assert.equal(seen.length, 3);
    for (const text of seen) {
      assert.doesNotMatch(text, /ghp_/);
      assert.match(text, /\*\*\*/);
    }
  });

  test('an output callback that throws, or is not there, fails the call', async () => {
    await assert.rejects(
      run('test:echo', {}, { output: () => { throw new Error('no room'); } }),
      hasCode('INTERNAL', /output 'input' threw: no room/),
    );
    await assert.rejects(run('test:echo', {}, {}), hasCode('INTERNAL', /not a function/));
  });

  test('1,000 calls at once all settle', async () => {
    const results = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => {
        let got;
        return run('test:echo', { size: i }, {
          output: (name, json) => { if (name === 'input') got = JSON.parse(json).size; },
        }).then(() => got);
      }),
    );
    assert.deepEqual(results, Array.from({ length: 1000 }, (_, i) => i));
  });

  test('more calls than may wait are refused, and the others unharmed', async () => {
    const controller = new AbortController();
    const calls = Array.from({ length: 1300 }, () =>
      run('test:sleep', { ms: 60_000 }, {}, controller.signal).then(() => 'OK', e => e.code));
    controller.abort();
    const codes = await Promise.all(calls);
    assert.ok(codes.includes('RESOURCE_EXHAUSTED'));
    assert.ok(codes.includes('CANCELLED'));
    assert.equal(codes.filter(code => code === 'OK').length, 0);
    await run('test:sleep', { ms: 1 });
  });
});

describe('logs', () => {
  const collect = () => {
    const calls = [];
    return { calls, log: (level, text) => calls.push([level, text]) };
  };

  test('10,000 lines come in few calls, whole and in order', async () => {
    const { calls, log } = collect();
    await run('test:flood', { lines: 10_000, text: 'a line of a chatty action' }, { log });
    const lines = calls.flatMap(([, text]) => text.split('\n'));
    assert.equal(lines.length, 10_000);
    assert.equal(lines[9_999], 'a line of a chatty action 9999');
    assert.ok(calls.length <= 10_000 * 32 / 8192 * 1.5 + 2, `${calls.length} calls`);
    for (const [, text] of calls) assert.ok(Buffer.byteLength(text) <= 8192);
  });

  test('the last lines come before a failure does', async () => {
    const { calls, log } = collect();
    await assert.rejects(run('test:flood', { lines: 3, fail: true }, { log }), hasCode('ABORTED'));
    assert.deepEqual(calls, [['info', 'line 0\nline 1\nline 2']]);
  });

  test('levels survive, also when they alternate', async () => {
    const { calls, log } = collect();
    await run('test:flood', { lines: 100, mixed: true }, { log });
    assert.ok(calls.length <= 16, `${calls.length} calls`);
    assert.equal(calls[1][0], 'warn');
    // Behind the eighth change lines are joined, those of another level say theirs.
    assert.equal(calls.at(-1)[0], 'warn');
    assert.match(calls.at(-1)[1], /\ninfo: line 98\nline 99$/);
  });

  test('a logger that throws changes nothing', async () => {
    await run('test:flood', { lines: 5000 }, { log: () => { throw new Error('disk full'); } });
  });
});

describe('cancellation', () => {
  test('before the call', async () => {
    await assert.rejects(
      run('test:deaf', { ms: 60_000 }, {}, AbortSignal.abort()),
      hasCode('CANCELLED', /before it began/),
    );
  });

  test('right behind the call', async () => {
    for (let i = 0; i < 200; ++i) {
      const controller = new AbortController();
      const promise = run('test:sleep', { ms: 60_000 }, {}, controller.signal);
      controller.abort();
      await assert.rejects(promise, hasCode('CANCELLED'));
    }
  });

  test('while it runs', async () => {
    const controller = new AbortController();
    const promise = run('test:sleep', { ms: 60_000 }, {}, controller.signal);
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(promise, hasCode('CANCELLED'));
  });

  test('at the moment it ends', async () => {
    for (let i = 0; i < 200; ++i) {
      const controller = new AbortController();
      const promise = run('test:sleep', { ms: 1 }, {}, controller.signal).catch(e => e.code);
      setTimeout(() => controller.abort(), 1);
      assert.ok([undefined, 'CANCELLED'].includes(await promise));
    }
  });

  test('after it ended: the listener is gone', async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args) => { listeners += 1; add(...args); };
    signal.removeEventListener = (...args) => { listeners -= 1; remove(...args); };
    await run('test:sleep', { ms: 1 }, {}, signal);
    assert.equal(listeners, 0);
    controller.abort();
    await new Promise(resolve => setTimeout(resolve, 10));
  });

  test('the promise settles only when the action has ended', async () => {
    const controller = new AbortController();
    const seen = [];
    const promise = run('test:deaf', { ms: 300 }, { log: (_, t) => seen.push(t), output() {} },
      controller.signal).then(() => seen.push('settled'), () => seen.push('settled'));
    setTimeout(() => controller.abort(), 50);
    await promise;
    assert.deepEqual(seen, ['still here', 'settled']);
  });

  test('shutdown cancels what is in flight; later calls begin anew', async () => {
    const promises = Array.from({ length: 20 }, () => run('test:sleep', { ms: 60_000 }));
    addon.shutdown();
    for (const promise of promises) await assert.rejects(promise, hasCode('CANCELLED', /shut down/));
    await run('test:sleep', { ms: 1 });
    addon.shutdown();
    addon.shutdown();
  });
});

describe('fetch', () => {
  const answer = (more = {}) => ({ status: 200, headers: [], body: Buffer.from('hi'), ...more });
  const outputs = () => {
    const got = {};
    return { got, output: (name, json) => { got[name] = JSON.parse(json); } };
  };

  test('goes through the callback', async () => {
    const { got, output } = outputs();
    let request;
    await run('test:fetch', { method: 'POST', body: 'x\u0000ä' }, {
      output,
      fetch: async (json, body, signal) => {
        request = { ...JSON.parse(json), body: body.toString(), aborted: signal.aborted };
        return answer({ status: 404, headers: [['Content-Type', 'text/plain']] });
      },
    });
    assert.deepEqual(request, {
      method: 'POST', url: 'https://example.test/a?b=c', headers: [['x-one', '1']],
      timeoutMs: 5000, maxResponseBytes: 1 << 20, body: 'x\u0000ä', aborted: false,
    });
    assert.deepEqual(got, { status: 404, body: 'hi', type: 'text/plain' });
  });

  test('also when it answers at once or without a body', async () => {
    await run('test:fetch', {}, { ...outputs(), fetch: () => answer() });
    await run('test:fetch', {}, { ...outputs(), fetch: () => answer({ body: undefined }) });
  });

  test('failures keep what is known about them', async () => {
    const refused = new TypeError('fetch failed', {
      cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    });
    await assert.rejects(run('test:fetch', {}, { fetch: () => Promise.reject(refused) }), error => {
      hasCode('UNAVAILABLE', /https:\/\/example\.test.*ECONNREFUSED/)(error);
      assert.equal(error.outcomeUnknown, undefined);
      assert.doesNotMatch(error.message, /b=c/);
      return true;
    });
    await assert.rejects(
      run('test:fetch', {}, { fetch: () => Promise.reject(new TypeError('terminated')) }),
      error => error.code === 'UNAVAILABLE' && error.outcomeUnknown === true,
    );
  });

  test('odd answers are errors of the call', async () => {
    for (const odd of [undefined, null, 7, {}, { status: 'x' }, { status: 200 },
      { status: 200, headers: {} }, { status: 200, headers: [1] },
      { status: 200, headers: [['a']] }, answer({ body: 5 }), answer({ status: 1e20 })]) {
      await assert.rejects(run('test:fetch', {}, { ...outputs(), fetch: async () => odd }), error =>
        /^(INTERNAL|INVALID_ARGUMENT)$/.test(error.code));
    }
    for (const thrown of [undefined, null, 'text', 5, Symbol('s'), Object.create(null)]) {
      await assert.rejects(run('test:fetch', {}, { fetch: () => Promise.reject(thrown) }), error =>
        error.code === 'UNAVAILABLE');
      await assert.rejects(run('test:fetch', {}, { fetch: () => { throw thrown; } }), error =>
        error.code === 'INTERNAL');
    }
  });

  test('a large body is refused', async () => {
    await assert.rejects(
      run('test:fetch', { maxBytes: 10 }, { fetch: () => answer({ body: Buffer.alloc(11) }) }),
      hasCode('RESOURCE_EXHAUSTED'),
    );
  });

  test('without the callback there is no network', async () => {
    await assert.rejects(run('test:fetch', {}), hasCode('FAILED_PRECONDITION', /without a fetch/));
  });

  test('the deadline aborts the exchange', async () => {
    let aborted;
    const gone = new Promise(resolve => { aborted = resolve; });
    await assert.rejects(
      // Time enough for the exchange to begin.
      run('test:fetch', { timeoutMs: 1000 }, {
        fetch: (_, __, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => { aborted(); reject(signal.reason); });
          }),
      }),
      error => error.code === 'DEADLINE_EXCEEDED' && error.outcomeUnknown === true,
    );
    await gone;
  });

  test('cancelling the call aborts the exchange', async () => {
    const controller = new AbortController();
    let aborted;
    const gone = new Promise(resolve => { aborted = resolve; });
    const promise = run('test:fetch', {}, {
      fetch: (_, __, signal) => {
        setTimeout(() => controller.abort(), 10);
        return new Promise(() => signal.addEventListener('abort', aborted));
      },
    }, controller.signal);
    await assert.rejects(promise, hasCode('CANCELLED'));
    await gone;
  });
});

describe('providers', () => {
  let files = 0;
  const refresh = (config, callbacks, more = {}, signal = undefined) =>
    addon.refreshProvider('test', JSON.stringify({ config, instance: 'i', ...more }), callbacks,
      signal);
  const newState = () => join(folder, `state-${files++}`);

  test('chunks of at most 250, in order, at most four of them not taken yet', async () => {
    const statePath = newState();
    // Each is taken when the fourth behind the first is there, or nothing more comes.
    const open = [];
    let most = 0;
    const sizes = [];
    const summary = JSON.parse(await refresh({ count: 2100 }, {
      chunk: async (upserts, removed) => {
        assert.deepEqual(JSON.parse(removed), []);
        sizes.push(JSON.parse(upserts).length);
        const taken = new Promise(resolve => open.push(resolve));
        most = Math.max(most, open.length);
        if (open.length === 4 || sizes.length === 9) {
          open.splice(0).forEach(resolve => resolve());
        }
        await taken;
      },
    }, { statePath }));
    assert.deepEqual(sizes, [...Array(8).fill(250), 100]);
    assert.equal(most, 4);
    assert.deepEqual(summary, {
      read: 2100, emitted: 2100, dropped: 0, added: 2100, changed: 0, removed: 0,
      heldRemovals: 0, kept: 0, duplicates: 0, chunks: 9, full: true, entities: 2100,
      heldRefs: [], degraded: {},
    });
    const again = JSON.parse(await refresh({ count: 2099, first: 1 }, {
      chunk: (upserts, removed) => {
        assert.equal(upserts, '[]');
        assert.deepEqual(JSON.parse(removed), ['component:default/c-0']);
      },
    }, { statePath }));
    assert.equal(again.removed, 1);
  });

  test('a refused chunk ends the round and is sent again by the next', async () => {
    const statePath = newState();
    await assert.rejects(
      refresh({ count: 3 }, { chunk: async () => { throw new Error('catalog is busy'); } },
        { statePath }),
      hasCode('ABORTED', /catalog is busy/),
    );
    await assert.rejects(
      refresh({ count: 3 }, { chunk: () => { throw new Error('sync'); } }, { statePath }),
      hasCode('INTERNAL', /sync/),
    );
    let sent = 0;
    await refresh({ count: 3 }, { chunk: upserts => { sent = JSON.parse(upserts).length; } },
      { statePath });
    assert.equal(sent, 3);
  });

  test('a chunk that is never answered can be cancelled', async () => {
    const controller = new AbortController();
    await assert.rejects(
      refresh({ count: 3 }, {
        chunk: () => {
          setTimeout(() => controller.abort(), 20);
          return new Promise(() => {});
        },
      }, { statePath: newState() }, controller.signal),
      hasCode('CANCELLED'),
    );
  });

  test('a failing source sends nothing', async () => {
    await assert.rejects(
      refresh({ count: 3, fail: true }, { chunk: () => assert.fail('no chunk') },
        { statePath: newState() }),
      hasCode('UNAVAILABLE', /the source is gone/),
    );
  });

  test('a state file that cannot be written is an error, and nothing is sent', async () => {
    const file = newState();
    writeFileSync(file, '');
    await assert.rejects(
      refresh({ count: 1 }, { chunk: () => assert.fail('no chunk') },
        { statePath: join(file, 'below-a-file') }),
      error => error instanceof Error && error.code !== 'INTERNAL',
    );
  });
});
