// A child process with a log file, stopped politely, and one that is started again when it ends.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// With it a child also ends when the launcher is killed and cannot tell it.
const SETPRIV = '/usr/bin/setpriv';

const STOP_PATIENCE_MS = 15_000;

/** One run of one program. */
export class Child {
  #process;
  #ended;
  /** Set once it has ended: "exit code 3" or "signal SIGKILL". */
  outcome;

  constructor(command, args, { cwd, env, logFile }) {
    mkdirSync(path.dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    const tied = existsSync(SETPRIV);
    this.logFile = logFile;
    this.#process = spawn(
      tied ? SETPRIV : command,
      tied ? ['--pdeathsig', 'TERM', command, ...args] : args,
      // A group of its own: Ctrl-C reaches the launcher only, which then stops children in order.
      { cwd, env, stdio: ['ignore', log, log], detached: true },
    );
    closeSync(log);
    this.#ended = new Promise(resolve => {
      this.#process.on('error', error => resolve((this.outcome = error.message)));
      this.#process.on('exit', (code, signal) =>
        resolve((this.outcome = signal ? `signal ${signal}` : `exit code ${code}`)),
      );
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** Resolves with the outcome. */
  ended() {
    return this.#ended;
  }

  kill(signal) {
    if (this.outcome === undefined) {
      this.#process.kill(signal);
    }
  }

  /** SIGTERM, then SIGKILL when it is not gone in time. Resolves when it is. */
  async stop(patienceMs = STOP_PATIENCE_MS) {
    this.kill('SIGTERM');
    const patience = setTimeout(() => this.kill('SIGKILL'), patienceMs);
    await this.#ended;
    clearTimeout(patience);
  }

  /** The last lines it wrote. */
  tail(lines = 15) {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const HEALTHY_AFTER_MS = 60_000;

/**
 * Keeps one child running: when it ends it is started again after a delay that doubles, from 0.5 s
 * to 30 s, and falls back once a child lived for a minute. There is never a second one.
 */
export class Watched {
  #make;
  #onEnd;
  #stopping = false;
  #loop;
  #wake = new AbortController();
  /** The child of now. */
  child;

  /** `make` starts a child; `onEnd(outcome, delayMs)` is told of each unwanted end. */
  constructor(make, onEnd = () => {}) {
    this.#make = make;
    this.#onEnd = onEnd;
    this.child = make();
    this.#loop = this.#run();
  }

  async #run() {
    let delay = FIRST_DELAY_MS;
    for (;;) {
      const began = Date.now();
      const outcome = await this.child.ended();
      if (this.#stopping) {
        return;
      }
      if (Date.now() - began > HEALTHY_AFTER_MS) {
        delay = FIRST_DELAY_MS;
      }
      this.#onEnd(outcome, delay);
      await sleep(delay, undefined, { signal: this.#wake.signal }).catch(() => {});
      if (this.#stopping) {
        return;
      }
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
      this.child = this.#make();
    }
  }

  async stop() {
    this.#stopping = true;
    this.#wake.abort();
    await this.child.stop();
    await this.#loop;
  }
}
