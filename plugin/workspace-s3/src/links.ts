import { lstat, readlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';

/** As many as the kernel follows. */
const MAX_HOPS = 40;

const isOutside = (path: string): boolean => path === '..' || path.startsWith(`..${sep}`);

/**
 * True when following the symbolic link would leave the root at any point of the way, through other
 * links too. Names are resolved one by one as the kernel does: `d/..` of a link `d` is not what its
 * text says. A target that is missing inside the root leads nowhere out.
 */
export async function leadsOut(root: string, link: string): Promise<boolean> {
  // By its text alone first: unpackers refuse such a link whatever its names are.
  const text = await readlink(link);
  if (isAbsolute(text) || isOutside(relative(root, join(dirname(link), text)))) {
    return true;
  }
  let hops = 0;
  let at = dirname(link);
  const names = [link.slice(at.length + 1)];
  while (names.length > 0) {
    const name = names.shift()!;
    if (name === '' || name === '.') {
      continue;
    }
    if (name === '..') {
      if (at === root) {
        return true;
      }
      at = dirname(at);
      continue;
    }
    const path = join(at, name);
    const found = await lstat(path).catch(() => undefined);
    if (!found) {
      // What is missing could be made later: the rest of the way must stay inside too.
      return isOutside(relative(root, join(path, ...names)));
    }
    if (!found.isSymbolicLink()) {
      at = path;
      continue;
    }
    const target = await readlink(path);
    hops += 1;
    if (isAbsolute(target) || hops > MAX_HOPS) {
      return true;
    }
    names.unshift(...target.split('/'));
  }
  return false;
}
