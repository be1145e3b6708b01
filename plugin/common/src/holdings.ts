import type { JsonObject, JsonValue } from '@backstage/types';

/** What a request wants. */
export const requestKinds = [
  'create',
  'change',
  'transfer',
  'suspend',
  'resume',
  'repair',
  'delete',
  'import',
] as const;

/** What a request wants. */
export type RequestKind = (typeof requestKinds)[number];

/** A rule of policy that had something to say. */
export interface PolicyRule {
  policy: string;
  rule: string;
  effect: 'refuse' | 'approve' | 'warn' | 'allow';
  reason: string;
}

/** What was worked out before a request began. */
export interface RequestPlan {
  /** Of parameters, owner and definition, by JSON pointer. */
  changes?: Array<{ path: string; from?: JsonValue; to?: JsonValue }>;
  /** "new", "changes", "same", "skipped", "removes" or "unknown". */
  steps?: Array<{ step: string; effect: string; paths?: string[] }>;
  /** A month's cost by the price book; exact decimal texts. */
  quote?: {
    monthly: string;
    currency: string;
    before?: string;
    lines: Array<{ what: string; monthly: string }>;
  };
  decisions?: PolicyRule[];
  /** Who must agree first. */
  approval?: { count: number; fourEyes: boolean; from?: string[] };
  environment?: string;
  classification?: string;
  expiresAfter?: string;
  /** Steps whose work it would not touch any more. */
  leaves?: string[];
}

/** Somebody's word on a request, or on a step of it. */
export interface RequestApproval {
  /** Absent when it is about the request. */
  stepId?: string;
  /** Entity ref. */
  actor: string;
  /** Of what was approved. */
  planHash: string;
  approved: boolean;
  reason: string;
  /** ISO 8601, UTC. */
  at: string;
}

/** What a request made and its owner keeps, over all requests that change it. */
export interface PurserHolding {
  /** Id of the request that made it. */
  id: string;
  blueprint: string;
  /** Entity ref. */
  owner: string;
  /** Entity ref in the catalog. */
  entityRef?: string;
  state: 'pending' | 'active' | 'suspended' | 'deleted';
  /** The last request that succeeded. */
  currentRequest?: string;
  /** The request that works on it now. */
  openRequest?: string;
  environment?: string;
  /** Deleting is refused. */
  protected: boolean;
  /** ISO 8601, UTC; absent: it stays. */
  expiresAt?: string;
  parameters: JsonObject;
  /** What the last look outside found. */
  drift?: {
    drifted: boolean;
    steps: Array<{
      step: string;
      state: 'same' | 'differs' | 'gone' | 'unknown';
      detail?: string;
    }>;
  };
  lookedAt?: string;
  /** Steps that deleting would undo, in that order; absent in lists. */
  stepIds?: string[];
  createdAt: string;
  updatedAt: string;
}

/** Something a step made that no request will undo by itself. */
export interface PurserOrphan {
  holdingId: string;
  requestId: string;
  stepId: string;
  /** "connector/operation" that would take it away. */
  undo: string;
  outputs: JsonObject;
  resourceIds: string[];
  owner: string;
  blueprint: string;
  message: string;
}

/** What policy decided on a request. */
export interface PolicyDecision {
  id: string;
  /** Absent when it was refused. */
  requestId?: string;
  requester: string;
  blueprint: string;
  kind: string;
  /** "allowed", "approval" or "refused". */
  verdict: string;
  rules: PolicyRule[];
  at: string;
}

/** How far the audit trail reaches, and the first thing wrong with it. */
export interface AuditReport {
  events: number;
  /** Rows of requests that are not kept any more: of these only the hashes are left. */
  forgotten: number;
  /** Absent when every row is as it was written. */
  fault?: string;
}
