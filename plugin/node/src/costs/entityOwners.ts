import type {
  AuthService,
  BackstageCredentials,
  UserInfoService,
} from '@backstage/backend-plugin-api';
import { RELATION_OWNED_BY } from '@backstage/catalog-model';
import type { CatalogService } from '@backstage/plugin-catalog-node';

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
   * Those of the entities that the user does not own, neither itself nor through a group; users own
   * themselves and the groups they are in. An entity that is not in the catalog, or that the user may not see there, has no owner. Services own nothing.
   */
  async notOwned(entityRefs: string[], credentials: BackstageCredentials): Promise<string[]> {
    const { auth, catalog, userInfo } = this.deps;
    if (!auth.isPrincipal(credentials, 'user')) {
      return entityRefs;
    }
    const { ownershipEntityRefs } = await userInfo.getUserInfo(credentials);
    const claims = new Set(ownershipEntityRefs);
    const { items } = await catalog.getEntitiesByRefs(
      { entityRefs, fields: ['kind', 'metadata.namespace', 'metadata.name', 'relations'] },
      { credentials },
    );
    return entityRefs.filter((entityRef, index) => {
      if (claims.has(entityRef.toLowerCase())) {
        return false;
      }
      const relations = items[index]?.relations ?? [];
      return !relations.some(
        ({ type, targetRef }) => type === RELATION_OWNED_BY && claims.has(targetRef),
      );
    });
  }
}
