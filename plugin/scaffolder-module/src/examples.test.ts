import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import { parseRepoUrl } from '@backstage/plugin-scaffolder-node';
import type { JsonObject, JsonValue } from '@backstage/types';
import { createTemplateRenderer, type TemplateContext, type TemplateFilter } from 'nunjitsu';
import { parse } from 'yaml';
import { type ActionName, SideBySide } from './testing/sideBySide';

const folder = join(__dirname, '..', '..', '..', 'examples', 'templates');

const NAMES: Record<string, ActionName | undefined> = {
  'purser:template:render': 'template',
  'purser:template:render:file': 'template:file',
  'purser:fetch:plain': 'plain',
  'purser:fetch:plain:file': 'plain:file',
};

interface Step {
  action: string;
  input: JsonObject;
  each?: JsonValue;
}

/** Fills a step's inputs as the scaffolder does before it runs the step. */
function createInputs() {
  const integrations = ScmIntegrations.fromConfig(new ConfigReader({}));
  const filters = {
    parseRepoUrl: (url: string) => parseRepoUrl(url, integrations),
    projectSlug: (url: string) => {
      const { owner, repo } = parseRepoUrl(url, integrations);
      return `${owner}/${repo}`;
    },
  };
  const renderer = createTemplateRenderer({
    filters: filters as unknown as Record<string, TemplateFilter>,
    allowRegexExecution: true,
  });
  const fill = (value: JsonValue | undefined, context: TemplateContext): JsonValue | undefined => {
    if (typeof value === 'string') {
      return renderer.renderValue(value, context) as JsonValue | undefined;
    }
    if (Array.isArray(value)) {
      return value.map(item => fill(item, context) ?? null);
    }
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, fill(item, context)]),
      );
    }
    return value;
  };
  return fill;
}

/** The steps that write into the workspace, once for each turn of `each`. */
function stepsOf(template: string, parameters: JsonObject) {
  const { spec } = parse(readFileSync(join(template, 'template.yaml'), 'utf8')) as {
    spec: { steps: Step[] };
  };
  const fill = createInputs();
  return spec.steps.flatMap(step => {
    const action = NAMES[step.action];
    if (!action) {
      return [];
    }
    const each = fill(step.each, { parameters } as TemplateContext);
    const turns: JsonValue[] =
      each && typeof each === 'object'
        ? Object.entries(each).map(([key, value]) => ({ key, value: value ?? null }))
        : [null];
    return turns.map(turn => ({
      action,
      // Without undefined members, which JSON has not.
      input: JSON.parse(
        JSON.stringify(fill(step.input, { parameters, each: turn } as TemplateContext)),
      ) as JsonObject,
    }));
  });
}

const templates = readdirSync(folder).filter(name =>
  readdirSync(join(folder, name)).includes('samples.yaml'),
);

describe('the example templates give the same trees by Backstage’s actions and by ours', () => {
  let sides: SideBySide;

  before(() => {
    sides = new SideBySide();
  });
  after(() => sides.close());

  it('there are a dozen', () => assert.ok(templates.length >= 12));

  for (const name of templates) {
    it(name, async () => {
      const template = join(folder, name);
      const samples = parse(readFileSync(join(template, 'samples.yaml'), 'utf8')) as JsonObject[];
      for (const parameters of samples) {
        const steps = stepsOf(template, parameters);
        assert.ok(steps.length > 0);
        const theirs = await sides.run('theirs', template, steps);
        const ours = await sides.run('ours', template, steps);
        assert.equal(theirs.error, undefined);
        assert.equal(ours.error, undefined);
        assert.ok(Object.keys(theirs.tree).length >= 2);
        assert.deepEqual(ours.tree, theirs.tree);
        assert.equal(Number(ours.outputs.files) > 0, true);
      }
    });
  }
});
