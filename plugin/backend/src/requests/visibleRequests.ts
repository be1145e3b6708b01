import { createHash } from 'node:crypto';
import { InputError } from '@backstage/errors';
import type { PermissionCriteria } from '@backstage/plugin-permission-common';
import { isAndCriteria, isNotCriteria, isOrCriteria } from '@backstage/plugin-permission-node';
import type { Page, PurserRequest } from '@purser/plugin-purser-common';
import type { ListRequestsOptions, SidecarClient } from '@purser/plugin-purser-node';
import type { RequestFilter } from './rules';

/** A user with more claims than this is served by reading all requests and leaving out. */
const MAX_BRANCHES = 200;
/** Pages of the sidecar read for one page of an answer; then the answer is short, with a token. */
const MAX_FETCHES_BEYOND_BRANCHES = 20;
const DEFAULT_PAGE_SIZE = 50;

const EVERYTHING: RequestFilter[] = [{}];

function coverOf(criteria: PermissionCriteria<RequestFilter>): RequestFilter[] {
  if (isAndCriteria(criteria)) {
    return criteria.allOf.map(coverOf).reduce((best, cover) => {
      const isBetter = best === EVERYTHING || (cover !== EVERYTHING && cover.length < best.length);
      return isBetter ? cover : best;
    }, EVERYTHING);
  }
  if (isOrCriteria(criteria)) {
    const covers = criteria.anyOf.map(coverOf);
    return covers.includes(EVERYTHING) ? EVERYTHING : covers.flat();
  }
  if (isNotCriteria(criteria)) {
    return EVERYTHING;
  }
  return criteria.owner === undefined && criteria.requester === undefined ? EVERYTHING : [criteria];
}

/**
 * Filters that together find at least everything that meets the criteria. What they find too much is
 * left out by the rules themselves.
 */
export function filtersCovering(criteria: PermissionCriteria<RequestFilter>): RequestFilter[] {
  const cover = coverOf(criteria);
  if (cover === EVERYTHING) {
    return EVERYTHING;
  }
  const distinct = new Map(
    cover.map(filter => [JSON.stringify([filter.owner, filter.requester]), filter]),
  );
  return distinct.size > MAX_BRANCHES ? EVERYTHING : [...distinct.values()];
}

interface Cursor {
  /** Token of the page each branch is in: null is the first page, false the end. */
  tokens: Array<string | null | false>;
  /** Id of the last request looked at. */
  after?: string;
  /** Of the filters the cursor belongs to. */
  hash: string;
}

function decode(token: string, hash: string, branches: number): Cursor {
  let cursor: Cursor;
  try {
    cursor = JSON.parse(Buffer.from(token, 'base64url').toString()) as Cursor;
  } catch {
    throw new InputError('pageToken: is not one of ours');
  }
  if (cursor.hash !== hash || cursor.tokens?.length !== branches) {
    throw new InputError('pageToken: belongs to another list, start again without it');
  }
  return cursor;
}

/**
 * Ids sort by time, and the sidecar's lists are sorted by them, newest first. Negative when `a` comes
 * before `b`.
 */
function compare(a: string, b: string): number {
  return a > b ? -1 : Number(a < b);
}

/** One of several lists that are merged; holds the page it is in. */
class Branch {
  #items: PurserRequest[] = [];
  #next: string | null | false;
  token: string | null | false;

  constructor(
    readonly filter: ListRequestsOptions,
    start: string | null | false,
  ) {
    this.#next = start;
    this.token = start;
  }

  get needsPage(): boolean {
    return this.#items.length === 0 && this.#next !== false;
  }

  get head(): PurserRequest | undefined {
    return this.#items[0];
  }

  async fetch(sidecar: SidecarClient, after?: string, signal?: AbortSignal) {
    this.token = this.#next;
    const page = await sidecar.listRequests(
      { ...this.filter, pageToken: this.#next || undefined },
      { signal },
    );
    this.#next = page.nextPageToken ?? false;
    this.#items = after ? page.items.filter(({ id }) => compare(id, after) > 0) : page.items;
  }

  drop(): void {
    this.#items.shift();
    if (this.#items.length === 0) {
      this.token = this.#next;
    }
  }
}

/**
 * Lists the requests that meet `isVisible`, newest first, by merging one list of the sidecar per
 * filter. Stable while requests are added: a page goes on behind the last request given.
 */
export async function listVisibleRequests(
  sidecar: SidecarClient,
  options: ListRequestsOptions,
  filters: RequestFilter[],
  isVisible: (request: PurserRequest) => boolean,
  signal?: AbortSignal,
): Promise<Page<PurserRequest>> {
  const { pageToken, ...rest } = options;
  const size = options.pageSize ?? DEFAULT_PAGE_SIZE;
  // Filters that contradict what was asked for find nothing.
  const possible = filters.filter(
    ({ owner, requester }) =>
      (!owner || !rest.owner || owner === rest.owner) &&
      (!requester || !rest.requester || requester === rest.requester),
  );
  const hash = createHash('sha256')
    .update(JSON.stringify([possible, { ...rest, pageSize: undefined }]))
    .digest('base64url')
    .slice(0, 16);
  const cursor = pageToken ? decode(pageToken, hash, possible.length) : undefined;
  const branches = possible.map(
    (filter, index) => new Branch({ ...rest, ...filter }, cursor ? cursor.tokens[index] : null),
  );
  const items: PurserRequest[] = [];
  let after = cursor?.after;
  let fetches = branches.length + MAX_FETCHES_BEYOND_BRANCHES;
  for (;;) {
    const empty = branches.filter(branch => branch.needsPage);
    if (empty.length > fetches) {
      break;
    }
    fetches -= empty.length;
    await Promise.all(empty.map(branch => branch.fetch(sidecar, after, signal)));
    if (branches.some(branch => branch.needsPage)) {
      continue;
    }
    const heads = branches.filter(branch => branch.head);
    if (heads.length === 0) {
      return { items };
    }
    if (items.length >= size) {
      break;
    }
    const first = heads.reduce((best, branch) =>
      compare(branch.head!.id, best.head!.id) < 0 ? branch : best,
    ).head!;
    after = first.id;
    heads.filter(branch => branch.head!.id === first.id).forEach(branch => branch.drop());
    if (isVisible(first)) {
      items.push(first);
    }
  }
  const next: Cursor = { tokens: branches.map(branch => branch.token), after, hash };
  return { items, nextPageToken: Buffer.from(JSON.stringify(next)).toString('base64url') };
}
