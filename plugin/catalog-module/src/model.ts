import { CatalogModelSources, createCatalogModelLayer } from '@backstage/catalog-model/alpha';
import { purserAnnotations, purserLabels, sourceAnnotations } from '@purser/plugin-purser-common';

const layer = createCatalogModelLayer({
  layerId: 'purser.dev/model',
  builder: model => {
    for (const { name, title, description } of [...purserAnnotations, ...sourceAnnotations]) {
      model.addAnnotation({ name, title, description });
    }
    for (const { name, title, description } of purserLabels) {
      model.addLabel({ name, title, description });
    }
  },
});

/** What our annotations and labels mean, for people and agents that ask the catalog for its model. */
export const purserModelSource = CatalogModelSources.static([layer]);
