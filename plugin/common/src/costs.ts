import type { CostRow } from './types';

/** Which of a charge's costs is meant. */
export const costMeasures = ['billed', 'effective', 'list', 'contracted'] as const;

/** One of {@link costMeasures}. */
export type CostMeasure = (typeof costMeasures)[number];

/** What a value of a dimension cost: billed and effective, and what it is ranked by. */
export type RankedCost = Pick<CostRow, 'keys' | 'currency' | 'billedCost' | 'effectiveCost'> &
  Partial<Pick<CostRow, 'listCost' | 'contractedCost'>>;

/** The largest of a dimension. Amounts are exact decimal texts, here and below. */
export interface TopCosts {
  /** By currency, then largest first. */
  rows: RankedCost[];
  /** Per currency: what is not among the rows. */
  rest: RankedCost[];
  /** Per currency: all values. Groups and domains overlap: theirs is more than everything. */
  total: RankedCost[];
}

/** Billed cost of two ranges of days. */
export interface ComparedCost {
  key: string;
  currency: string;
  before: string;
  after: string;
  change: string;
  /** Of before; "0" when there was nothing before. */
  changePercent: string;
}

/** One invoice of one billing period: billed = entities + shared + unallocated. */
export interface ReconciledInvoice {
  source: string;
  billingPeriod: string;
  invoice: string;
  currency: string;
  billed: string;
  entities: string;
  shared: string;
  unallocated: string;
  difference: string;
  coveragePercent: string;
}

/** One delivery's part in one billing period. */
export interface CostDelivery {
  /** Larger is later. */
  id: number;
  source: string;
  billingPeriod: string;
  at: string;
  /** Rows stored, of all its billing periods. */
  rows: number;
  totals: Array<{ currency: string; billedCost: string; effectiveCost: string }>;
  /** Its data is what is stored now. */
  current: boolean;
  /** It can be compared with the one before. */
  comparable: boolean;
}

/** What changed of one group from one delivery to another; after less before. */
export interface CostChange {
  keys: string[];
  currency: string;
  billed: string;
  effective: string;
  charges: number;
  /** How many stored sums differ; some may cancel each other out. */
  changedSums: number;
}

/** What a re-statement of a billing period changed. */
export interface CostDiff {
  before: CostDelivery;
  after: CostDelivery;
  changes: CostChange[];
}

/** A source of bills that is read on its own. */
export interface CostSource {
  name: string;
  type: string;
  intervalSeconds: number;
  /** "" when it was not looked at since the start. */
  lookedAt: string;
  /** "" when the last round went well. */
  failure: string;
  deliveries: Array<{ name: string; result: string; detail: string; rows: number; at: string }>;
}

/** What a rule gave an entity in a month. */
export interface AllocatedCost {
  rule: string;
  currency: string;
  billedCost: string;
  effectiveCost: string;
  /** Of the largest charge. */
  resourceId: string;
  subjects: number;
}

/** What is expected of the days ahead, in one currency; rounded to two digits. */
export interface CostForecast {
  currency: string;
  /** seasonal-naive or holt-winters. */
  method: string;
  errorPercent: number;
  otherErrorPercent: number;
  total: string;
  days: Array<{ day: string; expected: string; low: string; high: string }>;
}

/** A budget in the period of a day. */
export interface CostBudget {
  name: string;
  dimension: string;
  of: string;
  owner: string;
  amount: string;
  currency: string;
  period: string;
  fromDay: string;
  toDay: string;
  /** "" when there is a problem, as are the percent and the forecast. */
  spent: string;
  spentPercent: string;
  /** At the period's end; "" when there is too little history. */
  forecast: string;
  forecastMethod: string;
  thresholds: number[];
  /** The highest threshold reached; 0 for none. */
  crossed: number;
  measure: string;
  /** Why it is not known what is spent; "" when it is. */
  problem: string;
}

/** A day unlike those before. */
export interface CostAnomaly {
  id: string;
  dimension: string;
  of: string;
  owner: string;
  day: string;
  currency: string;
  cost: string;
  expected: string;
  difference: string;
  score: number;
  service: string;
  sku: string;
  region: string;
  causeDifference: string;
}

/** What was told once: a budget's threshold, an anomaly. */
export interface CostAlert {
  sequence: number;
  kind: string;
  subject: string;
  scope: string;
  detail: { [key: string]: unknown };
  at: string;
}

/** What a product will cost a month, and what like things cost of late. */
export interface CostEstimate {
  product: string;
  currency: string;
  monthly: string;
  lines: Array<{ what: string; monthly: string }>;
  observed: Array<{
    currency: string;
    entities: number;
    medianMonthly: string;
    highestMonthly: string;
    fromDay: string;
    toDay: string;
  }>;
}

/** Cost per unit of a metric in a month; "" when there were no units. */
export interface UnitCost {
  month: string;
  currency: string;
  cost: string;
  units: string;
  unitCost: string;
}

/** An entity as costs roll up along it. */
export interface CostGraphEntity {
  ref: string;
  owner?: string;
  system?: string;
  domain?: string;
  parent?: string;
  product?: string;
  environment?: string;
}

/** What there is. */
export interface CostStatus {
  /** "" when there is no data. */
  firstDay: string;
  lastDay: string;
  /** Changes whenever answers may. */
  dataVersion: number;
}
