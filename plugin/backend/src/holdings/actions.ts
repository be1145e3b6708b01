import type { ActionsRegistryService } from '@backstage/backend-plugin-api/alpha';
import type { JsonObject } from '@backstage/types';
import type { Performer } from '../operations';

/** What agents may do with what requests made; permissions and audit are the operations' own. */
export function registerHoldingActions(
  registry: ActionsRegistryService,
  performer: Performer,
): void {
  registry.register({
    name: 'list-holdings',
    title: 'List what requests made',
    description:
      'Lists holdings that the caller may see, newest first: what a request made and its owner keeps, with state, expiry and drift.',
    attributes: { readOnly: true, idempotent: true, destructive: false },
    schema: {
      input: z =>
        z.object({
          owner: z.string().max(512).optional().describe('Exact entity ref of the owner'),
          entityRef: z.string().max(512).optional().describe('Exact entity ref'),
          state: z.enum(['pending', 'active', 'suspended', 'deleted']).optional(),
          drifted: z.boolean().optional().describe('Only those that differ from what was applied'),
          pageSize: z.number().int().min(1).max(500).optional(),
          pageToken: z.string().optional(),
        }),
      output: z =>
        z.object({ items: z.array(z.record(z.unknown())), nextPageToken: z.string().optional() }),
    },
    action: async ({ input, credentials }) => {
      const { items, nextPageToken } = await performer.perform('listHoldings', input, {
        credentials,
      });
      return {
        output: {
          items: items.map(item => ({ ...item })),
          ...(nextPageToken ? { nextPageToken } : {}),
        },
      };
    },
  });

  registry.register({
    name: 'change-holding',
    title: 'Change what a request made',
    description:
      'Asks for other parameters of a holding; they are merged into what it has. Use validateOnly first: its plan shows each difference, what each step would do, the quote and who must approve.',
    attributes: { readOnly: false, idempotent: false, destructive: false },
    schema: {
      input: z =>
        z.object({
          id: z.string().min(1).max(128).describe('Id of the holding, or of one of its requests'),
          parameters: z.record(z.unknown()).describe('JSON merge patch'),
          idempotencyKey: z.string().min(1).max(200).optional(),
          validateOnly: z.boolean().optional().describe('Plan only, store nothing'),
        }),
      output: z => z.object({}).passthrough().describe('The request'),
    },
    action: async ({ input, credentials }) => ({
      output: {
        ...(await performer.perform(
          'changeHolding',
          { ...input, parameters: input.parameters as JsonObject },
          { credentials },
        )),
      },
    }),
  });

  registry.register({
    name: 'renew-holding',
    title: 'Renew what a request made',
    description: 'Moves the expiry of a holding: to a time, or as long as its blueprint gives.',
    attributes: { readOnly: false, idempotent: false, destructive: false },
    schema: {
      input: z =>
        z.object({
          id: z.string().min(1).max(128).describe('Id of the holding'),
          until: z.string().optional().describe('ISO 8601'),
          reason: z.string().max(1024).optional().describe('For the audit trail'),
          idempotencyKey: z
            .string()
            .min(1)
            .max(200)
            .optional()
            .describe('The same one again changes nothing'),
        }),
      output: z => z.object({}).passthrough().describe('The holding'),
    },
    action: async ({ input, credentials }) => ({
      output: { ...(await performer.perform('renewHolding', input, { credentials })) },
    }),
  });

  registry.register({
    name: 'delete-holding',
    title: 'Delete what a request made',
    description:
      'Asks to undo everything that a holding is made of, latest first. Refused while it is protected.',
    attributes: { readOnly: false, idempotent: false, destructive: true },
    schema: {
      input: z =>
        z.object({
          id: z.string().min(1).max(128).describe('Id of the holding'),
          validateOnly: z.boolean().optional().describe('Show what would be undone'),
        }),
      output: z => z.object({}).passthrough().describe('The request'),
    },
    action: async ({ input, credentials }) => ({
      output: { ...(await performer.perform('deleteHolding', input, { credentials })) },
    }),
  });
}
