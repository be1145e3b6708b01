// A skeleton as platform teams keep them: mostly plain files, about a third with tags (values,
// conditions, loops, filters, macros), some templated names, some binary files and links. The same
// count gives the same bytes on every machine.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Deterministic numbers in [0, 1). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const VALUES = {
  name: 'payment-service',
  owner: 'group:default/team-a',
  description: 'Handles payments and refunds',
  system: 'billing',
  javaPackage: 'com.acme.payments',
  repoUrl: 'github.com?owner=acme&repo=payment-service',
  port: 8080,
  replicas: 3,
  database: true,
  kafka: false,
  environments: [
    { name: 'dev', region: 'eu-west-1', replicas: 1 },
    { name: 'staging', region: 'eu-west-1', replicas: 2 },
    { name: 'prod', region: 'eu-central-1', replicas: 4 },
  ],
  tags: ['java', 'spring', 'grpc'],
  env: { DB_HOST: 'db', DB_PORT: '5432', LOG_LEVEL: 'info' },
};

const PLAIN = [
  'import { createService } from "@acme/runtime"; // wiring of the service is done in one place\n',
  '  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);\n',
  '    if (request == null) { throw new IllegalArgumentException("request must not be null"); }\n',
  '- The service keeps no state of its own; everything durable is in the database.\n',
  '    resources: { limits: { cpu: "500m", memory: 512Mi }, requests: { cpu: 100m } }\n',
  '  return Promise.all(items.map(item => handler(item))).then(results => results.flat());\n',
  '# Released under the terms of the Apache License; see the file LICENSE for the details.\n',
  '  it("answers 404 for a payment that does not exist", async () => {\n',
  '\n',
  '      { "id": 1843, "state": "open", "amount": "120.50", "currency": "EUR" },\n',
];

const TAGGED = [
  () => 'name: ${{ values.name }}\nowner: ${{ values.owner }}\n',
  () => '  description: ${{ values.description | dump }}\n  system: ${{ values.system or "none" }}\n',
  () => 'package ${{ values.javaPackage }}.api;\n\nimport ${{ values.javaPackage }}.model.Payment;\n',
  () => '{%- if values.database %}\n  database:\n    name: ${{ values.name | replace("-", "_") }}\n{%- endif %}\n',
  () => '{% if values.kafka %}\nkafka: true\n{% else %}\nkafka: false\n{% endif %}\n',
  () => '{%- for env in values.environments %}\n  - name: ${{ env.name }}\n    region: ${{ env.region | upper }}\n    replicas: ${{ env.replicas }}\n{%- endfor %}\n',
  () => 'tags: [{% for tag in values.tags %}${{ tag }}{% if not loop.last %}, {% endif %}{% endfor %}]\n',
  () => '{% for key, value in values.env %}${{ key }}=${{ value }}\n{% endfor %}',
  () => '{# kept for the template author #}port: ${{ values.port }}\nadmin: ${{ values.port + 1 }}\n',
  () => 'image: registry/${{ values.name | lower }}:${{ (values.replicas * 2) | string }}\n',
  () => 'repo: ${{ (values.repoUrl | parseRepoUrl).repo }}\n',
  n => `{% macro field${n}(key, value="x") %}\${{ key }}: \${{ value | trim }}{% endmacro %}\${{ field${n}("a", values.name) }}\n`,
  n => `{% set prefix${n} = values.name + "-${n}" %}id: \${{ prefix${n} | title }}\n`,
];

const NAMES = [
  { folder: 'src/main/java/api', extension: 'java' },
  { folder: 'src/main/resources', extension: 'yaml' },
  { folder: 'src/test/java/api', extension: 'java' },
  { folder: 'web/src/components', extension: 'tsx' },
  { folder: 'deploy/base', extension: 'yaml' },
  { folder: 'deploy/overlays/prod', extension: 'yaml' },
  { folder: 'docs/pages', extension: 'md' },
  { folder: '.github/workflows', extension: 'yml' },
];

function text(random, bytes, tagged, number) {
  const parts = [];
  let length = 0;
  while (length < bytes) {
    const pick = random();
    const part =
      tagged && pick < 0.16
        ? TAGGED[Math.floor(random() * TAGGED.length)](`${number}_${parts.length}`)
        : PLAIN[Math.floor(random() * PLAIN.length)];
    parts.push(part);
    length += part.length;
  }
  return parts.join('');
}

/** The files of a skeleton: {path, kind: 'tagged' | 'plain' | 'binary' | 'link', content | target}. */
export function* skeletonFiles(count) {
  const random = generator(20261121);
  for (let number = 0; number < count; number += 1) {
    const { folder, extension } = NAMES[Math.floor(random() * NAMES.length)];
    const base = random() < 0.08 ? `\${{ values.name }}-${number}` : `file-${number}`;
    const name = `${folder}/part-${number % 40}/${base}.${extension}`;
    const kind = random();
    // Sizes as in repositories: many small files, few large ones; 6.4 KB on average.
    const bytes = Math.min(120_000, Math.floor(900 + 5_500 * -Math.log(1 - random())));
    if (kind < 0.05) {
      const content = Buffer.alloc(bytes);
      for (let i = 0; i < bytes; i += 1) content[i] = Math.floor(random() * 256);
      content[0] = 0;
      yield { path: `${name}.bin`, kind: 'binary', content };
    } else if (kind < 0.06) {
      yield { path: `${name}.link`, kind: 'link', target: `file-${number}.${extension}` };
    } else {
      const tagged = random() < 0.3;
      yield { path: name, kind: tagged ? 'tagged' : 'plain', content: text(random, bytes, tagged, number) };
    }
  }
}

/** Writes a skeleton of `count` files below `root`; gives their number by kind, and all bytes. */
export function writeSkeleton(root, count) {
  const sums = { tagged: 0, plain: 0, binary: 0, link: 0, bytes: 0 };
  const folders = new Set();
  for (const file of skeletonFiles(count)) {
    const place = path.join(root, file.path);
    const folder = path.dirname(place);
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
    folders.add(folder);
    sums[file.kind] += 1;
    if (file.kind === 'link') {
      symlinkSync(file.target, place);
    } else {
      writeFileSync(place, file.content);
      sums.bytes += Buffer.byteLength(file.content);
    }
  }
  return sums;
}

/** One file of about `bytes` with four tags in each line. */
export function denseFile(bytes) {
  const line =
    'entry ${{ values.name }} is owned by ${{ values.owner }} at ${{ values.port }} in ${{ values.system }}\n';
  return line.repeat(Math.ceil(bytes / line.length));
}
