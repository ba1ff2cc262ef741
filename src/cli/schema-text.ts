import type { JsonSchema } from "../contract/index.js";

/** So deep are schemas told; what is inside of that is `...`. */
const MAX_DEPTH = 8;
/** An object longer than this has a line for each property. */
const MAX_WIDTH = 88;

type Json = Readonly<Record<string, unknown>>;

/** What a schema takes, in the words of TypeScript: `{ city: string, days?: integer[] }`. */
export function schemaText(schema: JsonSchema, indent = ""): string {
  return new SchemaText(schema).text(schema, indent, 0);
}

/** True where every value is a text. */
export function isTextSchema(schema: JsonSchema | undefined): boolean {
  return schema?.type === "string";
}

class SchemaText {
  readonly #root: Json;
  /** Definitions that are being told: one inside itself is told by its name. */
  readonly #open = new Set<string>();

  constructor(root: Json) {
    this.#root = root;
  }

  text(schema: unknown, indent: string, depth: number): string {
    if (schema === true) return "any";
    if (schema === false) return "never";
    if (!isObject(schema)) return "any";
    if (depth > MAX_DEPTH) return "...";
    const { $ref, const: constant, enum: choices, anyOf, oneOf, allOf, type } = schema;
    if (typeof $ref === "string") return this.#reference($ref, indent, depth);
    if ("const" in schema) return JSON.stringify(constant) ?? "any";
    if (Array.isArray(choices)) return choices.map((choice) => JSON.stringify(choice)).join(" | ") || "never";
    const alternatives = anyOf ?? oneOf;
    if (Array.isArray(alternatives)) return this.#join(alternatives, " | ", indent, depth);
    if (Array.isArray(allOf)) return this.#join(allOf, " & ", indent, depth);
    if (Array.isArray(type)) return type.map((one) => this.text({ ...schema, type: one }, indent, depth)).join(" | ");
    if (type === "object" || (type === undefined && isObject(schema.properties)))
      return this.#object(schema, indent, depth);
    if (type === "array" || (type === undefined && "items" in schema)) return this.#array(schema, indent, depth);
    return typeof type === "string" ? `${type}${boundsOf(schema)}` : "any";
  }

  #join(schemas: readonly unknown[], separator: string, indent: string, depth: number): string {
    return schemas.map((schema) => this.text(schema, indent, depth + 1)).join(separator);
  }

  #reference(reference: string, indent: string, depth: number): string {
    const keys = reference.split("/").slice(1);
    const name = keys.at(-1) ?? "itself";
    if (this.#open.has(reference) || keys.length === 0) return name;
    let found: unknown = this.#root;
    for (const key of keys)
      found = isObject(found) ? found[key.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
    if (found === undefined) return name;
    this.#open.add(reference);
    const text = this.text(found, indent, depth + 1);
    this.#open.delete(reference);
    return text;
  }

  #object(schema: Json, indent: string, depth: number): string {
    const { properties = {}, required = [], additionalProperties } = schema;
    const needed: readonly unknown[] = Array.isArray(required) ? required : [];
    const inner = `${indent}  `;
    const members = Object.entries(isObject(properties) ? properties : {}).map(([key, value]) => {
      const name = /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
      return `${name}${needed.includes(key) ? "" : "?"}: ${this.text(value, inner, depth + 1)}`;
    });
    if (isObject(additionalProperties)) {
      const value = this.text(additionalProperties, inner, depth + 1);
      members.push(`[key]: ${Object.keys(additionalProperties).length === 0 ? "any" : value}`);
    }
    if (members.length === 0) return additionalProperties === false ? "{}" : "object";
    const line = `{ ${members.join(", ")} }`;
    if (indent.length + line.length <= MAX_WIDTH && !line.includes("\n")) return line;
    return `{\n${members.map((member) => `${inner}${member}`).join("\n")}\n${indent}}`;
  }

  #array(schema: Json, indent: string, depth: number): string {
    const { items, prefixItems } = schema;
    if (Array.isArray(prefixItems)) {
      const rest = isObject(items) ? [`...${this.#listOf(items, indent, depth)}`] : [];
      return `[${[...prefixItems.map((item) => this.text(item, indent, depth + 1)), ...rest].join(", ")}]`;
    }
    return `${this.#listOf(items ?? true, indent, depth)}${boundsOf(schema)}`;
  }

  #listOf(items: unknown, indent: string, depth: number): string {
    const text = this.text(items, indent, depth + 1);
    return /[ |&]/.test(text) && !/^\{[^|&]*\}$/.test(text) ? `(${text})[]` : `${text}[]`;
  }
}

/** What a value must be besides its type. */
function boundsOf(schema: Json): string {
  const { format, minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern } = schema;
  const least = schema.minLength ?? schema.minItems;
  const most = schema.maxLength ?? schema.maxItems;
  const facts = [
    typeof format === "string" ? format : undefined,
    bound(">=", minimum),
    bound(">", exclusiveMinimum),
    bound("<=", maximum),
    bound("<", exclusiveMaximum),
    bound("length >=", least),
    bound("length <=", most),
    // A format says it better.
    typeof pattern === "string" && format === undefined ? `/${pattern}/` : undefined,
  ].filter((fact) => fact !== undefined);
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

/** Where integers end to be exact is the bound of all of them, and worth no word. */
function bound(sign: string, value: unknown): string | undefined {
  return typeof value === "number" && Math.abs(value) !== Number.MAX_SAFE_INTEGER ? `${sign} ${value}` : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
