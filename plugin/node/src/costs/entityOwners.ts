import type {
  AuthService,
  BackstageCredentials,
  UserInfoService,
} from '@backstage/backend-plugin-api';
import { RELATION_OWNED_BY } from '@backstage/catalog-model';
import type { CatalogService } from '@backstage/plugin-catalog-node';
import { type OwnedCosts, purserCostsRules } from './rules';

/** Knows from the catalog who owns an entity. */
export class EntityOwners {
  constructor(
    private readonly deps: {
      auth: AuthService;
      catalog: CatalogService;
      userInfo: UserInfoService;
    },
  ) {}

  /**
   * Each of the entities with its owners. One that is not in the catalog, or that the caller may not
   * see there, has none.
   */
  async ownedCostsOf(
    entityRefs: string[],
    credentials: BackstageCredentials,
  ): Promise<OwnedCosts[]> {
    const { items } = await this.deps.catalog.getEntitiesByRefs(
      { entityRefs, fields: ['kind', 'metadata.namespace', 'metadata.name', 'relations'] },
      { credentials },
    );
    return entityRefs.map((entityRef, index) => ({
      entityRef: entityRef.toLowerCase(),
      owners: (items[index]?.relations ?? [])
        .filter(({ type }) => type === RELATION_OWNED_BY)
        .map(({ targetRef }) => targetRef),
    }));
  }

  /**
   * Those of the entities that the user does not own, neither itself nor through a group; users own
   * themselves and the groups they are in. Services own nothing.
   */
  async notOwned(entityRefs: string[], credentials: BackstageCredentials): Promise<string[]> {
    const { auth, userInfo } = this.deps;
    if (!auth.isPrincipal(credentials, 'user')) {
      return entityRefs;
    }
    const { ownershipEntityRefs: claims } = await userInfo.getUserInfo(credentials);
    const costs = await this.ownedCostsOf(entityRefs, credentials);
    return entityRefs.filter(
      (_, index) => !purserCostsRules.isOwner.apply(costs[index], { claims }),
    );
  }
}
