// Runs a script that uses the addon in a process of its own and says how that ended.
import { spawn } from 'node:child_process';
import { testPath } from './load.mjs';

const PRELUDE = `
const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads');
const path = ${JSON.stringify(testPath())};
const addon = require(path);
const run = (id, input, callbacks = {}, signal) =>
  addon.runAction(id, JSON.stringify({ input }), callbacks, signal);
const later = ms => new Promise(resolve => setTimeout(resolve, ms));
`;

/** A worker's script, to be put into the child's text as a string literal. */
export const workerScript = body => JSON.stringify(PRELUDE + body);

/**
 * Gives `{code, signal, output, tookMs}`. A child that hangs is killed after `limitMs`, and its `signal`
 * then says so: a bound against hanging, not a measurement.
 */
export function runChild(body, { limitMs = 60_000, flags = [], env = {} } = {}) {
  return new Promise(resolve => {
    const started = Date.now();
    const child = spawn(process.execPath, [...flags, '-e', PRELUDE + body], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', data => { output += data; });
    child.stderr.on('data', data => { output += data; });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output, tookMs: Date.now() - started });
    });
  });
}
