// Which Node runs the portal: the one at hand when it is of a supported line, else the one that
// came as an npm package.
import { existsSync } from 'node:fs';
import { at, Failure } from './repo.mjs';

const SUPPORTED = [22, 24];

/** Path of a Node of a line that Backstage supports. */
export function suitableNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (SUPPORTED.includes(major)) {
    return process.execPath;
  }
  const packaged = at('node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (!existsSync(packaged)) {
    throw new Failure(
      `the portal needs Node ${SUPPORTED.join(' or ')}, this is ${process.version} and ` +
        `${packaged} is not there: run "npm ci", or put a suitable node first on PATH`,
    );
  }
  return packaged;
}

/** Options that Backstage's backend needs of Node. */
export const backendNodeOptions = ['--no-node-snapshot'];
