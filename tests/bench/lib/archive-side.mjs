// One packing or unpacking in a process of its own, so that its memory is what is measured:
//
//   node archive-side.mjs <action> <input as JSON> <workspace>
//
// Prints {bytes, seconds, idleMb, peakMb}.
import { readFileSync, writeFileSync } from 'node:fs';
import { load, shippedPath } from '../../addon/load.mjs';

const [id, input, workspace] = process.argv.slice(2);
const addon = load(shippedPath());
const resident = name =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

let bytes = 0;
// 5: the high-water mark of resident memory begins anew.
writeFileSync('/proc/self/clear_refs', '5');
const idleMb = resident('VmRSS');
const start = performance.now();
await addon.runAction(id, JSON.stringify({ input: JSON.parse(input), workspace }), {
  log() {},
  output: (name, json) => (name === 'bytes' ? (bytes = Number(json)) : undefined),
});
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ bytes, seconds, idleMb, peakMb: resident('VmHWM') }));
