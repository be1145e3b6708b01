// Real outside systems that tests speak to and that Debian has only as sources: made once, kept in
// the home folder, beside the build of the product.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { at, say } from './repo.mjs';

/** Where tests/peers/kube-apiserver.sh puts its program. */
export const apiServer = () =>
  path.join(
    process.env.PURSER_PEERS ?? path.join(os.homedir(), '.cache', 'purser-peers'),
    'kubernetes',
    'bin',
    'kube-apiserver',
  );

// Six to eight minutes of two cores; they are shared with the product's build.
const PATIENCE_AFTER_BUILD_MS = 10 * 60_000;

/** Why the API server cannot be made here, or undefined. */
function whyNot() {
  if (process.getuid() !== 0) {
    return 'only root may install the packages that make it';
  }
  if (!existsSync('/usr/bin/apt-get')) {
    return 'this is no Debian system';
  }
  return undefined;
}

/**
 * Begins to make the Kubernetes API server in the background when it is not there. The promise of
 * the function it gives resolves when that has ended, well or not, or took too long: tests that
 * need it then say SKIP.
 */
export function beginApiServer() {
  if (existsSync(apiServer())) {
    return async () => {};
  }
  const reason = whyNot();
  if (reason) {
    say(`SKIP tests of a real Kubernetes API server: ${reason}`);
    return async () => {};
  }
  say('the Kubernetes API server for tests is made, once and in the background');
  const began = Date.now();
  const child = spawn('nice', ['-n', '10', 'bash', at('tests/peers/kube-apiserver.sh'), 'build'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that all of it can be ended.
    detached: true,
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', more => {
    text = (text + more).slice(-2000);
  });
  const ended = new Promise(resolve => {
    child.on('error', error => resolve(error.message));
    child.on('exit', (code, signal) =>
      resolve(code === 0 ? undefined : (signal ?? `code ${code}`)),
    );
  });
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  process.once('exit', end);
  return async () => {
    let timer;
    const late = new Promise(resolve => {
      timer = setTimeout(resolve, PATIENCE_AFTER_BUILD_MS, 'it took too long');
    });
    const problem = await Promise.race([ended, late]);
    clearTimeout(timer);
    process.off('exit', end);
    end();
    say(
      problem
        ? `SKIP tests of a real Kubernetes API server: ${problem}\n${text.trim()}`
        : `the Kubernetes API server: ${((Date.now() - began) / 1000).toFixed(0)} s`,
    );
  };
}
