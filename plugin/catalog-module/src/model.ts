import { CatalogModelSources, createCatalogModelLayer } from '@backstage/catalog-model/alpha';
import { purserAnnotations } from '@purser/plugin-purser-common';

const layer = createCatalogModelLayer({
  layerId: 'purser.dev/annotations',
  builder: model => {
    for (const { name, title, description } of purserAnnotations) {
      model.addAnnotation({ name, title, description });
    }
  },
});

/** What our annotations mean, for people and agents that ask the catalog for its model. */
export const purserModelSource = CatalogModelSources.static([layer]);
