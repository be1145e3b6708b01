// Generates the TypeScript of proto/purser/v1 into src/generated with the system's protoc and ts-proto.
// Skipped when the generated files are newer than their sources.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const protoRoot = join(root, 'proto');
const out = join(here, 'src', 'generated');
const plugin = join(root, 'node_modules', '.bin', 'protoc-gen-ts_proto');

const protos = readdirSync(join(protoRoot, 'purser', 'v1'))
  .filter(name => name.endsWith('.proto'))
  .map(name => join('purser', 'v1', name));

function isFresh() {
  const sources = [fileURLToPath(import.meta.url), ...protos.map(name => join(protoRoot, name))];
  const newest = Math.max(...sources.map(file => statSync(file).mtimeMs));
  return protos.every(name => {
    const file = join(out, name.replace(/\.proto$/, '.ts'));
    return existsSync(file) && statSync(file).mtimeMs >= newest;
  });
}

if (isFresh()) {
  process.exit(0);
}
if (!existsSync(plugin)) {
  console.error(`${plugin} is missing: run npm ci in ${root}`);
  process.exit(1);
}
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
execFileSync(
  'protoc',
  [
    `--proto_path=${protoRoot}`,
    `--plugin=protoc-gen-ts_proto=${plugin}`,
    `--ts_proto_out=${out}`,
    '--ts_proto_opt=outputServices=grpc-js,esModuleInterop=true,oneof=unions-value,forceLong=bigint,env=node,useOptionals=none,outputJsonMethods=false,outputPartialMethods=true,importSuffix=',
    ...protos,
  ],
  { stdio: 'inherit' },
);
