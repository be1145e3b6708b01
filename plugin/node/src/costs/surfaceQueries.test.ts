import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConflictError, InputError } from '@backstage/errors';
import type { SidecarClient } from '../types';
import { costsInOneCurrency, inOneCurrency } from './surfaceQueries';

const row = (currency: string, billedCost: string) => ({
  keys: ['2026-11-01'],
  currency,
  billedCost,
  effectiveCost: billedCost,
  charges: 1,
});

const sidecarOf = (totals: object[], pages: object[][] = []) =>
  ({
    costs: {
      status: async () => ({ firstDay: '2026-11-01', lastDay: '2026-11-20', dataVersion: 1 }),
      top: async () => ({ rows: [], rest: [], total: totals }),
    },
    queryCosts: async ({ pageToken }: { pageToken?: string }) => {
      const at = Number(pageToken ?? 0);
      return {
        items: pages[at],
        ...(at + 1 < pages.length ? { nextPageToken: String(at + 1) } : {}),
      };
    },
  }) as unknown as SidecarClient;

describe('answers in one currency', () => {
  const dollars = row('USD', '10');
  const euros = row('EUR', '100');
  const sidecar = sidecarOf([dollars, euros]);

  it('are asked for once when there is but one', async () => {
    const asked: unknown[] = [];
    const answer = await inOneCurrency(sidecar, async currency => {
      asked.push(currency);
      return [euros];
    });
    assert.deepEqual(answer, { currency: 'EUR', rows: [euros] });
    assert.deepEqual(asked, [undefined]);
  });

  it('are converted to the one most is charged in', async () => {
    const converted = row('EUR', '109');
    const answer = await inOneCurrency(sidecar, async currency =>
      currency ? [converted] : [dollars, euros],
    );
    assert.deepEqual(answer, { currency: 'EUR', rows: [converted] });
  });

  it('leave out what cannot be converted, rather than add it', async () => {
    const answer = await inOneCurrency(sidecar, async currency => {
      if (currency) {
        throw new ConflictError('there are no exchange rates');
      }
      return [dollars, euros];
    });
    assert.deepEqual(answer.rows, [euros]);
    await assert.rejects(
      inOneCurrency(sidecar, async currency => {
        if (currency) {
          throw new InputError('something else');
        }
        return [dollars];
      }),
      { name: 'InputError' },
    );
  });

  it('are read page by page', async () => {
    const { rows } = await costsInOneCurrency(sidecarOf([euros], [[euros], [euros], [euros]]), {
      fromDay: '2026-11-01',
      toDay: '2026-11-20',
      groupBy: ['day'],
    });
    assert.equal(rows.length, 3);
  });
});
