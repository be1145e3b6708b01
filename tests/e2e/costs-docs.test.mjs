// The examples of docs/costs*.md: files are written as the pages have them, commands are run, and what
// is printed must be what the page says. PURSER_WRITE_DOCS=1 writes what was printed into the page of
// examples instead.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../tools/lib/child.mjs';
import { at } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';

const examples = at('docs/costs-examples.md');

/** The fenced blocks of a page: language, title, text, and the lines they stand in. */
function blocksOf(file) {
  const lines = readFileSync(file, 'utf8').split('\n');
  const blocks = [];
  for (let i = 0; i < lines.length; i += 1) {
    const fence = /^```(\w+)(?: title="([^"]+)")?$/.exec(lines[i]);
    if (!fence) continue;
    const first = i + 1;
    while (lines[i + 1] !== '```') i += 1;
    blocks.push({
      language: fence[1],
      title: fence[2],
      text: lines
        .slice(first, i + 1)
        .map(line => `${line}\n`)
        .join(''),
      first,
      after: i + 1,
    });
    i += 1;
  }
  return blocks;
}

const listens = file =>
  new Promise(resolve => {
    const socket = net.connect(file);
    socket.on('connect', () => resolve(socket.end()));
    socket.on('error', () => resolve(undefined));
  });

describe('the examples about costs', () => {
  let folder;
  let purserd;
  const env = {
    ...process.env,
    PATH: [at('build/release/bin'), path.dirname(process.execPath), process.env.PATH].join(':'),
  };

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'purser-docs-'));
    env.PURSER_ADDRESS = `unix:${folder}/run/purserd.sock`;
    mkdirSync(path.join(folder, 'run'), { mode: 0o700 });
  });
  after(async () => {
    await purserd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const bash = script => {
    const done = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    assert.equal(done.status, 0, `${script}\n${done.stdout}${done.stderr}`);
    return done.stdout;
  };
  /** Starts purserd, in the place of one that runs. */
  const start = async words => {
    await purserd?.stop();
    purserd = new Child(at('build/release/bin/purserd'), words, {
      cwd: folder,
      env,
      logFile: path.join(folder, 'purserd.log'),
    });
    await until('purserd to listen', async () => {
      assert.equal(purserd.outcome, undefined, readFileSync(purserd.logFile, 'utf8'));
      return listens(path.join(folder, 'run/purserd.sock'));
    });
  };
  /** Runs a block, line by line where purserd is started. */
  const run = async text => {
    let printed = '';
    let script = '';
    for (const line of text.split('\n')) {
      if (line.startsWith('purserd ')) {
        if (script) printed += bash(script);
        script = '';
        await start(line.split(' ').slice(1));
      } else {
        script += `${line}\n`;
      }
    }
    if (script.trim()) printed += bash(script);
    return printed.replaceAll(/ +$/gm, '');
  };

  test('print what the page says', async () => {
    const blocks = blocksOf(examples);
    const lines = readFileSync(examples, 'utf8').split('\n');
    const printed = [];
    for (const [i, { language, title, text }] of blocks.entries()) {
      if (title) {
        mkdirSync(path.dirname(path.join(folder, title)), { recursive: true });
        // Its usual port may be another purserd's of this machine.
        const port = title === 'purserd.yaml' ? 'http: {address: "127.0.0.1:0"}\n' : '';
        writeFileSync(path.join(folder, title), text + port);
      } else if (language === 'sh') {
        const expected = blocks[i + 1];
        assert.equal(expected?.language, 'text', `what ${text} prints`);
        let output = await run(text);
        // What is told is told soon after it was read, not at once.
        if (/costs alerts/.test(text)) {
          await until(`what ${text} prints`, async () => {
            const before = output;
            output = await run(text);
            if (!process.env.PURSER_WRITE_DOCS) return output === expected.text;
            await sleep(10_000);
            return output === before;
          }).catch(() => {});
        }
        printed.push({ ...expected, output, command: text });
      }
    }
    if (process.env.PURSER_WRITE_DOCS) {
      for (const { first, after: end, output } of printed.reverse()) {
        lines.splice(first, end - first, ...output.replace(/\n$/, '').split('\n'));
      }
      writeFileSync(examples, lines.join('\n'));
      return;
    }
    for (const { text, output, command } of printed) assert.equal(output, text, command);
  });

  test('every command about costs has an example', () => {
    const help = bash('purser help');
    const page = readFileSync(examples, 'utf8');
    const elsewhere = readdirSync(at('docs'))
      .filter(name => name.startsWith('costs'))
      .map(name => readFileSync(at('docs', name), 'utf8'))
      .join('\n');
    const commands = [...help.matchAll(/^ +(costs [a-z]+)/gm)].map(([, name]) => name);
    assert.ok(commands.length >= 15, help);
    for (const command of commands) {
      assert.ok(elsewhere.includes(`purser ${command}`) || page.includes(command), command);
    }
  });

  // What the other pages show is at least what purserd takes.
  for (const name of readdirSync(at('docs')).filter(file => /^costs.*\.md$/.test(file))) {
    if (at('docs', name) === examples) continue;
    for (const { language, text, first } of blocksOf(at('docs', name))) {
      if (language !== 'yaml' && language !== 'csv') continue;
      test(`${name}:${first} is what purserd takes`, () => {
        const file = path.join(folder, `block.${language}`);
        writeFileSync(file, text);
        const members = {
          allocation: /^kind: CostAllocation/m,
          entities: /^entities:/m,
          budgets: /^budgets:/m,
          suppress: /^suppress:/m,
          prices: /^prices:/m,
          metrics: /^day,metric,entity,value/m,
          rates: /^day,from,to,rate/m,
        };
        const [member] = Object.entries(members).find(([, form]) => form.test(text)) ?? [];
        let config = 'state: state\nlisten: {unix: {path: run/checked.sock}}\n';
        if (member) config += `costs: {${member}: block.${language}}\n`;
        else if (/^ {4}/.test(text)) config += `costs:\n  sources:\n${text}`;
        else config += text;
        writeFileSync(path.join(folder, 'checked.yaml'), config);
        assert.match(bash('purserd --check-config checked.yaml'), /ok/);
      });
    }
  }
});
