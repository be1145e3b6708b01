declare module 'lodash/get' {
  function get(object: unknown, path: string | string[], fallback?: unknown): unknown;
  export = get;
}
