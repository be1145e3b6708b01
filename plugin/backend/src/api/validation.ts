import { InputError } from '@backstage/errors';
import Ajv2020, { type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';
import { apiDocument, type ApiOperation } from './document';

const DOCUMENT_ID = 'purser';

/** Compiles schemas of the document; texts of queries are coerced to the types they stand for. */
export function createSchemaCompiler(options: { coerceTypes: false | 'array' }) {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    validateFormats: false,
    coerceTypes: options.coerceTypes,
  });
  ajv.addSchema({ ...apiDocument, $id: DOCUMENT_ID }, DOCUMENT_ID);
  return (schema: object): ValidateFunction =>
    ajv.compile(
      JSON.parse(
        JSON.stringify(schema).replaceAll('"#/components/', `"${DOCUMENT_ID}#/components/`),
      ),
    );
}

const compileText = createSchemaCompiler({ coerceTypes: 'array' });
const compileJson = createSchemaCompiler({ coerceTypes: false });

function check(validate: ValidateFunction, value: unknown, where: string): void {
  if (!validate(value)) {
    const problems = (validate.errors ?? []).map(
      ({ instancePath, message, params }: ErrorObject) =>
        `${where}${instancePath}: ${message}${
          'additionalProperty' in params ? ` '${params.additionalProperty}'` : ''
        }${'allowedValues' in params ? ` ${(params.allowedValues as string[]).join(', ')}` : ''}`,
    );
    throw new InputError(problems.join('; '));
  }
}

/** The parts of an HTTP request that carry input. */
export interface HttpInput {
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: unknown;
}

/** Makes a check of an operation's input; it gives all of it as one object, all problems at once. */
export function createInputReader(
  operation: ApiOperation,
): (input: HttpInput) => Record<string, unknown> {
  const parameters = operation.parameters ?? [];
  const lists = parameters.filter(({ schema }) => (schema as { type?: string }).type === 'array');
  const validateParameters = compileText({
    type: 'object',
    properties: Object.fromEntries(parameters.map(({ name, schema }) => [name, schema])),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
  });
  const bodySchema = operation.requestBody?.content['application/json'].schema;
  const validateBody = bodySchema && compileJson(bodySchema);
  return ({ params, query, body }) => {
    const given: Record<string, unknown> = { ...query, ...params };
    for (const { name } of lists) {
      const value = given[name];
      if (typeof value === 'string') {
        // Enumerations may come as one text, "a,b"; a filter's value may itself hold commas.
        given[name] = name === 'filter' ? [value] : value.split(',');
      }
    }
    check(validateParameters, given, '');
    if (!validateBody) {
      return given;
    }
    const content = body === undefined && !operation.requestBody?.required ? {} : body;
    check(validateBody, content, '');
    return { ...given, ...(content as object) };
  };
}
