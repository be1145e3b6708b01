// One version everywhere, and platform packages that fit their platform.
import { list, read } from './files.mjs';

export function check() {
  const problems = [];
  const version = /project\(purser VERSION ([\d.]+)/.exec(read('CMakeLists.txt'))?.[1];
  if (version === undefined) return ['CMakeLists.txt: project(purser VERSION …) is missing'];
  for (const path of list('package.json', 'plugin/*/package.json', 'plugin/npm/*/package.json')) {
    const content = JSON.parse(read(path));
    if (content.version !== version) {
      problems.push(`${path}: version ${content.version} is not CMake's ${version}`);
    }
    if (content.license !== 'Apache-2.0') problems.push(`${path}: license must be Apache-2.0`);
    for (const script of ['preinstall', 'install', 'postinstall']) {
      if (content.scripts?.[script]) problems.push(`${path}: no script may run at a user's install (${script})`);
    }
    const platform = /^plugin\/npm\/(\w+)-(\w+)\//.exec(path);
    if (!platform) continue;
    const [, os, cpu] = platform;
    if (content.name !== `@purser/native-${os}-${cpu}`) problems.push(`${path}: its name must be @purser/native-${os}-${cpu}`);
    if (String(content.os) !== os || String(content.cpu) !== cpu) problems.push(`${path}: os and cpu must be ${os} and ${cpu}`);
  }
  return problems;
}
