/** What Cost Insights calls a change between two periods. */
export interface ChangeStatistic {
  /** Absent when there was nothing before. */
  ratio?: number;
  amount: number;
}

/** A series of daily cost. */
export interface Cost {
  id: string;
  aggregation: Array<{ date: string; amount: number }>;
  change?: ChangeStatistic;
  /** x is in seconds since 1970. */
  trendline?: { slope: number; intercept: number };
  groupedCosts?: Record<string, Cost[]>;
}

export interface MetricData {
  id: string;
  format: 'number' | 'currency';
  aggregation: Array<{ date: string; amount: number }>;
  change: ChangeStatistic;
}

/** Cost of a product before and now, and what it is made of. */
export interface ProductInsight {
  id: string | null;
  aggregation: [number, number];
  entities: Record<string, ProductInsight[]>;
  change: ChangeStatistic;
}

/** What the app shows as an alert. */
export interface CostAlertData {
  title: string;
  subtitle: string;
}

export interface NamedRef {
  id: string;
  name?: string;
}
