/** Id of the request that made the entity. */
export const ANNOTATION_REQUEST_ID = 'purser.dev/request-id';

/** Where that request stands, see {@link RequestState}. */
export const ANNOTATION_STATE = 'purser.dev/state';

/** A JSON array of outside resource ids, as billing files name them. */
export const ANNOTATION_RESOURCE_IDS = 'purser.dev/resource-ids';

/** Name of the blueprint the entity was made from. */
export const ANNOTATION_BLUEPRINT = 'purser.dev/blueprint';

/** Billed cost of the last 30 days, "123.45 USD"; several currencies are joined by commas. */
export const ANNOTATION_COST_30_DAYS = 'purser.dev/cost-30d';

/** Last day of {@link ANNOTATION_COST_30_DAYS}, "2026-11-20". */
export const ANNOTATION_COST_30_DAYS_UNTIL = 'purser.dev/cost-30d-until';

/** The source the entity comes from: "<provider id>/<instance>". */
export const ANNOTATION_SOURCE = 'purser.dev/source';

/** What the catalog's model says of each annotation. */
export const purserAnnotations = [
  {
    name: ANNOTATION_REQUEST_ID,
    title: 'Purser request',
    description: 'Id of the Purser request that made the entity, e.g. "req_01jd…".',
  },
  {
    name: ANNOTATION_STATE,
    title: 'Provisioning state',
    description:
      'Where the request stands: waiting-approval, running, waiting, succeeded, failed, cancelled or needs-operator.',
  },
  {
    name: ANNOTATION_RESOURCE_IDS,
    title: 'Outside resources',
    description: 'A JSON array of the ids that outside systems and their bills use for the entity.',
  },
  {
    name: ANNOTATION_BLUEPRINT,
    title: 'Blueprint',
    description: 'Name of the Purser blueprint the entity was made from.',
  },
  {
    name: ANNOTATION_COST_30_DAYS,
    title: 'Cost of the last 30 days',
    description:
      'Exact billed cost of the last 30 days and its currency, e.g. "123.45 USD"; several currencies are joined by commas.',
  },
  {
    name: ANNOTATION_COST_30_DAYS_UNTIL,
    title: 'Last day of the cost',
    description: 'The last day that purser.dev/cost-30d covers, e.g. "2026-11-20".',
  },
  {
    name: ANNOTATION_SOURCE,
    title: 'Source',
    description:
      'Which configured source the entity comes from, "<provider>/<instance>", e.g. "kubernetes/production".',
  },
] as const;
