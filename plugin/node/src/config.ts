import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, readDurationFromConfig } from '@backstage/config';
import { InputError } from '@backstage/errors';
import { durationToMilliseconds } from '@backstage/types';

/** How to reach the sidecar. Times in milliseconds. */
export interface SidecarConfig {
  /** "unix:/path" or "host:port". */
  address: string;
  /** Only for "host:port", and then always. */
  tls?: { ca: Buffer; certificate: Buffer; key: Buffer; serverName?: string };
  /** How long a call waits for the connection before it says that the sidecar is not there. */
  connectTimeout: number;
  /** Limit of one unary call, all its attempts included. */
  deadline: number;
  /** How long a broken stream is taken up again without any progress. */
  reconnectFor: number;
}

const DEFAULT_CONNECT_TIMEOUT = 2_000;
const DEFAULT_DEADLINE = 30_000;
const DEFAULT_RECONNECT_FOR = 120_000;

const UNIX = 'unix:';

// Backstage does not tell in which file a value stood, so relative paths count, as everywhere in
// Node, from the working directory of the portal's process.
function readFileFromConfig(config: Config, key: string): Buffer {
  const path = resolve(config.getString(key));
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InputError(
      `purser.sidecar.tls.${key}: cannot read ${path}: ${(error as Error).message}`,
    );
  }
}

/** Reads `purser.sidecar`; undefined when no address is configured. */
export function readSidecarConfig(rootConfig: Config): SidecarConfig | undefined {
  const config = rootConfig.getOptionalConfig('purser.sidecar');
  const address = config?.getOptionalString('address');
  if (!config || !address) {
    return undefined;
  }
  const milliseconds = (key: string, fallback: number) =>
    config.has(key) ? durationToMilliseconds(readDurationFromConfig(config, { key })) : fallback;
  const tls = config.getOptionalConfig('tls');
  const isUnix = address.startsWith(UNIX);
  if (!isUnix && !/^[^/\s]+:\d+$/.test(address)) {
    throw new InputError(
      `purser.sidecar.address: '${address}' is neither unix:/path nor host:port`,
    );
  }
  if (!isUnix && !tls) {
    throw new InputError(
      'purser.sidecar.address is a TCP address: set purser.sidecar.tls.ca, .certificate and .key too, purserd takes mutual TLS only',
    );
  }
  return {
    address: isUnix ? `${UNIX}${resolve(address.slice(UNIX.length))}` : address,
    tls:
      tls && !isUnix
        ? {
            ca: readFileFromConfig(tls, 'ca'),
            certificate: readFileFromConfig(tls, 'certificate'),
            key: readFileFromConfig(tls, 'key'),
            serverName: tls.getOptionalString('serverName'),
          }
        : undefined,
    connectTimeout: milliseconds('connectTimeout', DEFAULT_CONNECT_TIMEOUT),
    deadline: milliseconds('deadline', DEFAULT_DEADLINE),
    reconnectFor: milliseconds('reconnectFor', DEFAULT_RECONNECT_FOR),
  };
}
