// Where things are, and running other programs.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** Joins path parts to the root folder. */
export const at = (...parts) => path.join(root, ...parts);

/** Says one line to whoever started the command. */
export function say(line) {
  process.stdout.write(`purser: ${line}\n`);
}

/** An error whose text is the whole message for people; no stack is shown. */
export class Failure extends Error {}

// Enough to show a compiler's complaint, little enough to be read.
const MAX_KEPT_OUTPUT = 16 * 1024;

/**
 * Runs a program to its end. With `quiet` its output is only shown (the last 16 KiB) when it fails.
 * Resolves with stdout when `quiet`; rejects with a Failure that names the command.
 */
export function run(command, args, { cwd = root, env = process.env, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    let out = '';
    let all = '';
    const keep = text => {
      all = (all + text).slice(-MAX_KEPT_OUTPUT);
    };
    child.stdout?.setEncoding('utf8').on('data', text => {
      out += text;
      keep(text);
    });
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.on('error', error =>
      reject(new Failure(`cannot run ${command}: ${error.message}`)),
    );
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(out);
        return;
      }
      const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
      reject(new Failure(`${all}${[command, ...args].join(' ')} ${how}`));
    });
  });
}

/** Runs a command's main function; a Failure ends the process with its text and code 1. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    process.stderr.write(`purser: ${error instanceof Failure ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}
