import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AuthorizeResult,
  createPermission,
  type Permission,
} from '@backstage/plugin-permission-common';
import type { PolicyQueryUser } from '@backstage/plugin-permission-node';
import {
  purserCostIngestPermission,
  purserCostReadAllPermission,
  purserCostReadPermission,
  purserRequestApprovePermission,
  purserRequestCancelPermission,
  purserRequestCreatePermission,
  purserRequestReadPermission,
  purserRequestRetryPermission,
} from '@purser/plugin-purser-common';
import { PLATFORM_GROUP, PortalPolicy } from './policy';

const deleteEntity = createPermission({
  name: 'catalog.entity.delete',
  attributes: { action: 'delete' },
  resourceType: 'catalog-entity',
});

function userOf(...refs: string[]): PolicyQueryUser {
  return { info: { userEntityRef: refs[0], ownershipEntityRefs: refs } } as PolicyQueryUser;
}

const guest = userOf('user:default/guest', 'group:default/analytics');
const operator = userOf('user:default/lukas', PLATFORM_GROUP);

async function decide(permission: Permission, user?: PolicyQueryUser) {
  return new PortalPolicy().handle({ permission }, user);
}

test('nobody without a user gets anything', async () => {
  const decision = await decide(purserCostReadPermission);
  assert.equal(decision.result, AuthorizeResult.DENY);
});

test('a user orders, reads own costs, and cannot read all, ingest, approve or delete', async () => {
  const results = async (permission: Permission) => (await decide(permission, guest)).result;
  assert.equal(await results(purserRequestCreatePermission), AuthorizeResult.ALLOW);
  assert.equal(await results(purserCostReadPermission), AuthorizeResult.ALLOW);
  assert.equal(await results(purserCostReadAllPermission), AuthorizeResult.DENY);
  assert.equal(await results(purserCostIngestPermission), AuthorizeResult.DENY);
  assert.equal(await results(purserRequestApprovePermission), AuthorizeResult.DENY);
  assert.equal(await results(deleteEntity), AuthorizeResult.DENY);
});

test('requests are decided by their owner, with the claims of who asks', async () => {
  for (const permission of [
    purserRequestReadPermission,
    purserRequestCancelPermission,
    purserRequestRetryPermission,
  ]) {
    assert.deepEqual(await decide(permission, guest), {
      result: AuthorizeResult.CONDITIONAL,
      pluginId: 'purser',
      resourceType: 'purser-request',
      conditions: {
        rule: 'isOwner',
        resourceType: 'purser-request',
        params: { claims: ['user:default/guest', 'group:default/analytics'] },
      },
    });
  }
});

test('the platform group does everything', async () => {
  for (const permission of [
    purserRequestApprovePermission,
    purserRequestReadPermission,
    purserCostIngestPermission,
    deleteEntity,
  ]) {
    assert.equal((await decide(permission, operator)).result, AuthorizeResult.ALLOW);
  }
});
