import type { AuthService, LoggerService, SchedulerService } from '@backstage/backend-plugin-api';
import {
  type Entity,
  RELATION_CHILD_OF,
  RELATION_OWNED_BY,
  RELATION_PART_OF,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import type { CatalogService } from '@backstage/plugin-catalog-node';
import {
  ANNOTATION_ENVIRONMENT,
  ANNOTATION_PRODUCT,
  type CostGraphEntity,
} from '@purser/plugin-purser-common';
import type { SidecarClient } from '@purser/plugin-purser-node';

const TASK = 'cost-graph';
const PAGE = 500;
const FIELDS = ['kind', 'metadata.namespace', 'metadata.name', 'metadata.annotations', 'relations'];

/** An entity as costs roll up along it; undefined when nothing rolls up through it. */
export function toGraphEntity(entity: Entity): CostGraphEntity | undefined {
  // Of several the first by name, so that nothing moves from one to the other by itself.
  const target = (type: string, kind?: string) =>
    entity.relations
      ?.filter(relation => relation.type === type)
      .map(({ targetRef }) => targetRef)
      .filter(ref => !kind || ref.startsWith(`${kind}:`))
      .sort()
      .at(0);
  const annotations = entity.metadata.annotations ?? {};
  const found: Omit<CostGraphEntity, 'ref'> = {
    owner: target(RELATION_OWNED_BY),
    system: target(RELATION_PART_OF, 'system'),
    domain: target(RELATION_PART_OF, 'domain'),
    parent: target(RELATION_CHILD_OF),
    product: annotations[ANNOTATION_PRODUCT],
    environment: annotations[ANNOTATION_ENVIRONMENT],
  };
  const given = Object.fromEntries(Object.entries(found).filter(([, value]) => value));
  return Object.keys(given).length > 0 ? { ref: stringifyEntityRef(entity), ...given } : undefined;
}

/** Hands the relations of the catalog to the sidecar, so that costs roll up along them. */
export class CostGraphFeeder {
  constructor(
    private readonly deps: {
      auth: AuthService;
      catalog: CatalogService;
      sidecar: SidecarClient;
      logger: LoggerService;
    },
  ) {}

  async schedule(scheduler: SchedulerService): Promise<void> {
    await scheduler.scheduleTask({
      id: TASK,
      frequency: { minutes: 10 },
      timeout: { minutes: 30 },
      initialDelay: { seconds: 15 },
      scope: 'global',
      fn: async () => {
        try {
          await this.feed();
        } catch (error) {
          const { message } = error as Error;
          this.deps.logger.warn(`the relations for costs were not handed over: ${message}`);
        }
      },
    });
  }

  /** Reads all of the catalog; a failed page hands nothing over. */
  async feed(): Promise<number> {
    const { auth, catalog, sidecar } = this.deps;
    const credentials = await auth.getOwnServiceCredentials();
    const entities: CostGraphEntity[] = [];
    let cursor: string | undefined;
    do {
      const page = await catalog.queryEntities(
        cursor ? { cursor, limit: PAGE, fields: FIELDS } : { limit: PAGE, fields: FIELDS },
        { credentials },
      );
      for (const entity of page.items) {
        const known = toGraphEntity(entity);
        if (known) {
          entities.push(known);
        }
      }
      cursor = page.pageInfo.nextCursor;
    } while (cursor);
    // An empty catalog is one that has not been read yet: what rolled up goes on rolling up.
    if (entities.length > 0) {
      await sidecar.costs.putGraph(entities);
    }
    return entities.length;
  }
}
