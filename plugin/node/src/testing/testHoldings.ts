import { status } from '@grpc/grpc-js';
import * as provisioning from '../generated/purser/v1/provisioning';
import { TestStatus } from './testStatus';

/** Holdings, orphans and deliveries of a {@link TestSidecar}; tests fill them. */
export class TestHoldings {
  readonly holdings: provisioning.Holding[] = [];
  readonly orphans: provisioning.Orphan[] = [];
  readonly decisions: provisioning.Decision[] = [];
  /** What was asked for, by method, in order. */
  readonly asked: Array<{ method: string; request: unknown }> = [];
  /** The signature that deliveries must have. */
  signature = '';
  auditFault = '';

  /** A holding as the sidecar would tell it. */
  static holding(id: string, owner: string): provisioning.Holding {
    return provisioning.Holding.fromPartial({
      id,
      owner,
      blueprint: 'bucket',
      entityRef: `resource:default/${id}`,
      state: provisioning.HoldingState.HOLDING_STATE_ACTIVE,
      currentRequest: id,
      parametersJson: '{"size":1}',
      createdAt: new Date(0),
      updatedAt: new Date(0),
    });
  }

  static orphan(holdingId: string, stepId: string): provisioning.Orphan {
    return provisioning.Orphan.fromPartial({
      holdingId,
      stepId,
      requestId: holdingId,
      undo: 'cloud/drop',
      outputsJson: '{"id":"i-1"}',
      resourceIds: ['urn:i-1'],
      owner: 'group:default/analytics',
      blueprint: 'bucket',
      message: 'locked',
    });
  }

  static decision(): provisioning.Decision {
    return provisioning.Decision.fromPartial({
      id: 'req_1',
      requester: 'user:default/guest',
      blueprint: 'bucket',
      kind: 'create',
      verdict: 'refused',
      detailJson: '[{"policy":"p","rule":"r","effect":"refuse","reason":"no"}]',
      at: new Date(0),
    });
  }

  find(id: string): provisioning.Holding {
    const found = this.holdings.find(holding => holding.id === id || holding.entityRef === id);
    if (!found) {
      throw new TestStatus(status.NOT_FOUND, `holding ${id} does not exist`);
    }
    return found;
  }

  list(request: provisioning.ListHoldingsRequest): provisioning.ListHoldingsResponse {
    this.asked.push({ method: 'ListHoldings', request });
    return {
      holdings: this.holdings.filter(({ owner }) => !request.owner || owner === request.owner),
      nextPageToken: '',
    };
  }

  control(request: provisioning.ControlHoldingRequest): provisioning.ControlHoldingResponse {
    this.asked.push({ method: 'ControlHolding', request });
    const holding = this.find(request.id);
    if (request.verb === provisioning.HoldingVerb.HOLDING_VERB_PROTECT) {
      holding.protected = true;
    } else if (request.verb === provisioning.HoldingVerb.HOLDING_VERB_RENEW) {
      holding.expiresAt = request.until ?? new Date('2027-01-01T00:00:00Z');
    }
    return { holding };
  }

  deliver(request: provisioning.DeliverMessageRequest): provisioning.DeliverMessageResponse {
    if (request.signature !== this.signature) {
      throw new TestStatus(status.PERMISSION_DENIED, 'the message is not one to be trusted');
    }
    this.asked.push({ method: 'DeliverMessage', request });
    return {};
  }

  forgetOrphan(request: provisioning.ForgetOrphanRequest): provisioning.ForgetOrphanResponse {
    this.asked.push({ method: 'ForgetOrphan', request });
    const index = this.orphans.findIndex(
      ({ holdingId, stepId }) => holdingId === request.holdingId && stepId === request.stepId,
    );
    if (index < 0) {
      throw new TestStatus(status.FAILED_PRECONDITION, 'left no orphan');
    }
    this.orphans.splice(index, 1);
    return {};
  }
}
