// The lifetime rules of an addon with threads of its own. Each was a hang, an abort or a crash in some
// addon first, and none shows inside one healthy process: every test is a process that must end well.
// Calls that would run for ten minutes stand for "in flight": only a kill by the limit could hide them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runChild, workerScript } from './child.mjs';

const SLEEPERS = `for (let i = 0; i < 50; ++i) run('test:sleep', { ms: 600000 }).catch(() => {});`;

async function ends(body, { code = 0, output = undefined, ...options } = {}) {
  const result = await runChild(body, options);
  assert.equal(result.signal, null, `killed or crashed: ${result.output}`);
  assert.equal(result.code, code, result.output);
  if (output !== undefined) assert.equal(result.output.trim(), output);
  return result;
}

describe('exit of the process', () => {
  test('process.exit with calls in flight', () => ends(`${SLEEPERS} setTimeout(() => process.exit(7), 50);`, { code: 7 }));
  test('process.exit in the turn of the calls', () => ends(`${SLEEPERS} process.exit(7);`, { code: 7 }));
  test('process.exit does not wait for a task that ignores its stop token', () =>
    ends(`run('test:deaf', { ms: 600000 }); setTimeout(() => process.exit(7), 50);`, { code: 7 }));
  test('process.exit with a flood of logs under way', () =>
    ends(`for (let i = 0; i < 8; ++i) run('test:flood', { lines: 1000000 }, { log() {} });
          setTimeout(() => process.exit(7), 100);`, { code: 7 }));
  test('process.exit inside a log callback', () =>
    ends(`run('test:flood', { lines: 100000 }, { log() { process.exit(7); } });`, { code: 7 }));
  test('process.exit inside an output callback', () =>
    ends(`run('test:echo', {}, { output() { process.exit(7); } });`, { code: 7 }));
  test('process.exit with a fetch and a chunk pending', () =>
    ends(`run('test:fetch', {}, { fetch: () => new Promise(() => {}) });
          addon.refreshProvider('test', JSON.stringify({ config: { count: 5 },
            statePath: require('node:os').tmpdir() + '/purser-exit-' + process.pid + '/s' }),
            { chunk: () => new Promise(() => {}) });
          process.on('exit', () => require('node:fs').rmSync(require('node:os').tmpdir() +
            '/purser-exit-' + process.pid, { recursive: true, force: true }));
          setTimeout(() => process.exit(7), 100);`, { code: 7 }));
  test('shutdown in an exit handler, as the portal does it', () =>
    ends(`${SLEEPERS} process.once('exit', () => addon.shutdown()); setTimeout(() => process.exit(7), 50);`,
      { code: 7 }));
  test('an uncaught exception with calls in flight', () =>
    ends(`${SLEEPERS} setTimeout(() => { throw new Error('uncaught'); }, 50);`, { code: 1 }));
  test('SIGTERM with calls in flight', async () => {
    const result = await runChild(`${SLEEPERS} setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);`);
    assert.equal(result.signal, 'SIGTERM');
  });
});

describe('natural end', () => {
  test('a loaded addon keeps nothing alive', () => ends(''));
  test('nor does one whose calls have ended', () =>
    ends(`run('test:sleep', { ms: 20 }).then(() => console.log('done'));`, { output: 'done' }));
  test('a call in flight does', () =>
    ends(`let over = false; run('test:deaf', { ms: 300 }, { log() {}, output() {} }).then(() => { over = true; });
          process.on('exit', () => console.log(over));`, { output: 'true' }));
  test('a rejected call lets go as well', () =>
    ends(`Promise.allSettled([run('test:none', {}), run('test:echo', 5), addon.runAction()]).then(all =>
            console.log(all.map(one => one.reason.code).join()));`,
      { output: 'NOT_FOUND,INVALID_ARGUMENT,INVALID_ARGUMENT' }));
  test('an unhandled rejection ends the process as any other', () =>
    ends(`run('test:fail', {});`, { code: 1 }));
});

describe('worker threads', () => {
  const worker = (body, then) => `
    const worker = new Worker(${workerScript(body)}, { eval: true });
    ${then}`;

  test('a worker ends by itself after its calls', () =>
    ends(worker(`run('test:sleep', { ms: 20 }).then(() => console.log('done'));`,
      `worker.on('exit', code => console.log(code));`), { output: 'done\n0' }));
  test('terminate with calls in flight', () =>
    ends(worker(SLEEPERS, `setTimeout(() => worker.terminate(), 200);
      worker.on('exit', () => console.log('ended'));`), { output: 'ended' }));
  test('terminate with a task that ignores its stop token: its thread outlives the environment', () =>
    ends(worker(`run('test:deaf', { ms: 800 }, { log() {}, output() {} });`,
      `setTimeout(() => worker.terminate(), 300);
       worker.on('exit', () => setTimeout(() => console.log('ended'), 1500));`), { output: 'ended' }));
  test('terminate during a flood of logs', () =>
    ends(worker(`for (let i = 0; i < 4; ++i) run('test:flood', { lines: 1000000 }, { log() {} });`,
      `setTimeout(() => worker.terminate(), 250);
       worker.on('exit', () => console.log('ended'));`), { output: 'ended' }));
  test('process.exit inside a worker ends the worker only', () =>
    ends(worker(`${SLEEPERS} setTimeout(() => process.exit(3), 20);`,
      `worker.on('exit', code => run('test:sleep', { ms: 5 }).then(() => console.log(code)));`),
      { output: '3' }));

  test('terminate while the addon loads, 50 times', () =>
    ends(`(async () => {
      for (let i = 0; i < 50; ++i) {
        const worker = new Worker('require(' + JSON.stringify(path) + ').listActions();', { eval: true });
        // From "not begun" to "long loaded".
        await later(i % 25 * 2);
        await worker.terminate();
      }
      await run('test:sleep', { ms: 1 });
      console.log('ended');
    })();`, { output: 'ended', limitMs: 120_000 }));

  test('terminate at any moment of calls, 50 times', () =>
    ends(`(async () => {
      const script = ${workerScript(`${SLEEPERS}
        for (let i = 0; i < 20; ++i) run('test:flood', { lines: 100 }, { log() {} });
        run('test:fetch', {}, { fetch: () => new Promise(() => {}) }).catch(() => {});
        const c = new AbortController(); run('test:sleep', { ms: 600000 }, {}, c.signal).catch(() => {});
        setTimeout(() => c.abort(), 1);`)};
      for (let i = 0; i < 50; ++i) {
        const worker = new Worker(script, { eval: true });
        await later(i % 25 * 3);
        await worker.terminate();
      }
      console.log('ended');
    })();`, { output: 'ended', limitMs: 120_000 }));

  test('two environments at once do not meet', () =>
    ends(`(async () => {
      const script = ${workerScript(`
        (async () => {
          for (let i = 0; i < 50; ++i) await run('test:sleep', { ms: 1 });
          parentPort.postMessage('worker done');
        })();`)};
      const workers = [1, 2].map(() => new Worker(script, { eval: true }));
      const done = workers.map(w => new Promise(resolve => w.on('message', resolve)));
      const mine = run('test:sleep', { ms: 300 });
      addon.shutdown();
      const code = await mine.catch(e => e.code);
      await Promise.all(done);
      console.log(code, 'and the workers went on');
    })();`, { output: 'CANCELLED and the workers went on' }));

  test('a worker that ends leaves the calls of the main thread alone', () =>
    ends(`(async () => {
      const mine = run('test:sleep', { ms: 600 });
      const worker = new Worker(${workerScript(SLEEPERS)}, { eval: true });
      await later(200);
      await worker.terminate();
      await mine;
      console.log('done');
    })();`, { output: 'done' }));
});

describe('loading', () => {
  test('again, after the cache was emptied', () =>
    ends(`const first = addon;
      delete require.cache[require.resolve(path)];
      const second = require(path);
      Promise.all([first, second].map(a => a.runAction('test:sleep', '{"input":{"ms":1}}', {})))
        .then(() => console.log('done'));`, { output: 'done' }));
  test('only in workers, one behind the other: the file is unmapped between them', () =>
    runChildWithoutAddon(`(async () => {
      for (let i = 0; i < 5; ++i) {
        const worker = new Worker('const a = require(' + JSON.stringify(PATH) + ');' +
          'a.runAction("test:deaf", JSON.stringify({input:{ms:100}}), {log(){},output(){}});' +
          'setTimeout(() => process.exit(0), 20);', { eval: true });
        await new Promise(resolve => worker.on('exit', resolve));
      }
      await new Promise(resolve => setTimeout(resolve, 400));
      console.log('ended');
    })();`));
});

describe('callbacks', () => {
  test('collected while calls run', () =>
    ends(`(async () => {
      const timer = setInterval(() => global.gc(), 1);
      await Promise.all(Array.from({ length: 300 }, (_, i) =>
        run('test:flood', { lines: 50 }, { log() {} }, new AbortController().signal)));
      clearInterval(timer);
      global.gc();
      console.log('done');
    })();`, { output: 'done', flags: ['--expose-gc'] }));

  test('that throw in every place do not become uncaught', () =>
    ends(`(async () => {
      process.on('uncaughtException', e => { console.log('uncaught', e.message); process.exit(9); });
      process.on('unhandledRejection', e => { console.log('unhandled', e.message); process.exit(9); });
      const boom = () => { throw new Error('boom'); };
      await run('test:flood', { lines: 1000 }, { log: boom }).catch(() => {});
      await run('test:echo', {}, { output: boom }).catch(() => {});
      await run('test:fetch', {}, { fetch: boom }).catch(() => {});
      const signal = new AbortController().signal;
      signal.removeEventListener = boom;
      await run('test:sleep', { ms: 1 }, {}, signal);
      console.log('done');
    })();`, { output: 'done' }));
});

async function runChildWithoutAddon(body) {
  const { spawnSync } = await import('node:child_process');
  const { testPath } = await import('./load.mjs');
  const result = spawnSync(process.execPath, ['-e', `
    const { Worker } = require('node:worker_threads');
    const PATH = ${JSON.stringify(testPath())};
    ${body}`], { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' });
  assert.equal(result.signal, null, result.stderr);
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stdout.trim(), 'ended');
}
