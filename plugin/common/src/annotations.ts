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

/** Billed cost of the last complete month, "2026-10: 123.45 USD". */
export const ANNOTATION_COST_MONTH = 'purser.dev/cost-month';

/** The state of the entity's budgets, "web-2026: 80 % reached". */
export const ANNOTATION_BUDGETS = 'purser.dev/budgets';

/** The product that an entity belongs to: costs and budgets are kept for products, too. */
export const ANNOTATION_PRODUCT = 'purser.dev/product';

/** The environment that an entity belongs to, e.g. "production"; costs are kept for it, too. */
export const ANNOTATION_ENVIRONMENT = 'purser.dev/environment';

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
      'Where the request stands: waiting-approval, running, waiting, succeeded, failed, cancelled or needs-operator; of one of its resources: active, or what provisioning says of it.',
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
    name: ANNOTATION_COST_MONTH,
    title: 'Cost of the last complete month',
    description: 'The month, its exact billed cost and the currency, e.g. "2026-10: 123.45 USD".',
  },
  {
    name: ANNOTATION_BUDGETS,
    title: 'Budgets',
    description: 'The highest threshold reached of each budget, e.g. "web-2026: 80 % reached".',
  },
  {
    name: ANNOTATION_PRODUCT,
    title: 'Product',
    description: 'The product the entity belongs to; costs and budgets are kept for products.',
  },
  {
    name: ANNOTATION_ENVIRONMENT,
    title: 'Environment',
    description: 'The environment the entity belongs to, e.g. "production".',
  },
  {
    name: ANNOTATION_SOURCE,
    title: 'Source',
    description:
      'Which configured source the entity comes from, "<provider>/<instance>", e.g. "kubernetes/production".',
  },
] as const;

/** What the catalog's model says of the annotations that sources give their entities. */
export const sourceAnnotations = [
  {
    name: 'purser.dev/cluster',
    title: 'Cluster',
    description: 'Name of the Kubernetes cluster the entity was read from.',
  },
  {
    name: 'purser.dev/health',
    title: 'Health',
    description:
      'What the source says of the thing: healthy, progressing, degraded or suspended, where it says so.',
  },
  {
    name: 'purser.dev/health-message',
    title: 'Health message',
    description: 'Why the health is as it is, in the words of the source.',
  },
  {
    name: 'purser.dev/expires-at',
    title: 'Expires at',
    description: 'When it ends by itself, RFC 3339, e.g. of a certificate.',
  },
  {
    name: 'purser.dev/renews-at',
    title: 'Renews at',
    description: 'When it is to be renewed, RFC 3339.',
  },
  {
    name: 'purser.dev/certificate-names',
    title: 'Names of a certificate',
    description: 'DNS names the certificate is for, joined by commas.',
  },
  {
    name: 'purser.dev/issuer-type',
    title: 'Issuer type',
    description: 'How the issuer of certificates works: acme, ca, selfSigned, vault …',
  },
  {
    name: 'purser.dev/flux-revision',
    title: 'Flux revision',
    description: 'Revision that Flux applied last, e.g. "main@sha1:…".',
  },
  {
    name: 'purser.dev/flux-path',
    title: 'Flux path',
    description: 'Folder of the source that a Kustomization applies.',
  },
  {
    name: 'purser.dev/helm-chart',
    title: 'Helm chart',
    description: 'Name of the chart of a release.',
  },
  {
    name: 'purser.dev/helm-chart-version',
    title: 'Helm chart version',
    description: 'Version of the chart of a release.',
  },
  {
    name: 'purser.dev/helm-app-version',
    title: 'Helm app version',
    description: 'Version of the application as the chart names it.',
  },
  {
    name: 'purser.dev/helm-status',
    title: 'Helm status',
    description: 'Status of a release: deployed, failed, pending-upgrade …',
  },
  {
    name: 'purser.dev/helm-revision',
    title: 'Helm revision',
    description: 'Number of the revision of a release.',
  },
  {
    name: 'purser.dev/deployed-at',
    title: 'Deployed at',
    description: 'When it was deployed last, RFC 3339.',
  },
  {
    name: 'purser.dev/istio-host',
    title: 'Istio host',
    description: 'Host of the API that a VirtualService offers.',
  },
  {
    name: 'purser.dev/istio-hosts',
    title: 'Istio hosts',
    description: 'All hosts, joined by commas.',
  },
  {
    name: 'purser.dev/istio-gateways',
    title: 'Istio gateways',
    description: 'Gateways the hosts are reached through, joined by commas.',
  },
  {
    name: 'purser.dev/istio-ports',
    title: 'Istio ports',
    description: 'Ports of a gateway, joined by commas.',
  },
  {
    name: 'purser.dev/crossplane-kind',
    title: 'Crossplane kind',
    description: 'Kind that an XRD defines.',
  },
  {
    name: 'purser.dev/crossplane-api-version',
    title: 'Crossplane API version',
    description: 'API version of what an XRD defines.',
  },
  {
    name: 'purser.dev/crossplane-composition',
    title: 'Crossplane composition',
    description: 'Composition that made a composite resource.',
  },
  {
    name: 'purser.dev/crossplane-fields-left-out',
    title: 'Fields left out',
    description: 'Fields of an XRD that have no place in the form of its template.',
  },
  {
    name: 'purser.dev/terraform-path',
    title: 'Terraform path',
    description: 'Folder of a root or module, relative to its repository.',
  },
  {
    name: 'purser.dev/terraform-level',
    title: 'Terraform level',
    description: 'Where a root stands: environment, customer or app.',
  },
  {
    name: 'purser.dev/terraform-backend',
    title: 'Terraform backend',
    description: 'Type of the backend that keeps the state of a root.',
  },
  {
    name: 'purser.dev/terraform-state-key',
    title: 'Terraform state key',
    description: 'Where the backend keeps the state of a root.',
  },
  {
    name: 'purser.dev/terraform-version',
    title: 'Terraform version',
    description: 'Versions of Terraform that a root or module asks for.',
  },
  {
    name: 'purser.dev/terraform-sources',
    title: 'Terraform sources',
    description: 'Module sources outside the repository, joined by commas.',
  },
  {
    name: 'purser.dev/terraform-address',
    title: 'Terraform address',
    description: 'Address of a resource in its state.',
  },
  {
    name: 'purser.dev/terraform-provider',
    title: 'Terraform provider',
    description: 'Provider of a resource in its state.',
  },
  {
    name: 'purser.dev/customer',
    title: 'Customer',
    description: 'Customer that a system of Terraform roots belongs to.',
  },
  {
    name: 'purser.dev/app',
    title: 'App',
    description: 'Application of a customer that a Terraform root deploys.',
  },
  {
    name: 'purser.dev/location',
    title: 'Location',
    description: 'Region or zone of a resource, as its cloud names it.',
  },
  {
    name: 'purser.dev/directory-id',
    title: 'Directory id',
    description: 'Id of a user or group in the directory it was read from.',
  },
  {
    name: 'purser.dev/disabled',
    title: 'Disabled',
    description: '"true" for users that are disabled in their directory.',
  },
  {
    name: 'keycloak.org/id',
    title: 'Keycloak id',
    description: 'Id of a user or group in Keycloak.',
  },
  {
    name: 'keycloak.org/realm',
    title: 'Keycloak realm',
    description: 'Realm of Keycloak that a user or group was read from.',
  },
  {
    name: 'okta.com/id',
    title: 'Okta id',
    description: 'Id of a user or group in Okta.',
  },
  {
    name: 'app.kubernetes.io/version',
    title: 'App version',
    description: 'Version of the application, as the label of its Kubernetes object says.',
  },
  {
    name: 'app.kubernetes.io/managed-by',
    title: 'Managed by',
    description: 'The tool that manages the Kubernetes object, as its label says.',
  },
  {
    name: 'backstage.io/ldap-dn',
    title: 'LDAP name',
    description: 'Distinguished name of a user or group in the directory.',
  },
  {
    name: 'backstage.io/ldap-uuid',
    title: 'LDAP id',
    description: 'Unique id of a user or group in the directory: entryUUID or objectGUID.',
  },
] as const;

/** What the catalog's model says of our labels. */
export const purserLabels = [
  {
    name: 'purser.dev/environment',
    title: 'Environment',
    description: 'Environment the entity belongs to, e.g. "production".',
  },
] as const;
