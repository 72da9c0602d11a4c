// Makes the pages' types of the API's document: `rialto openapi | node types.mjs FILE`. One interface, Schemas, with a
// member for each schema. What it does not understand it refuses, so that no type is wider than the server's word.

import { existsSync, readFileSync, writeFileSync } from "node:fs";

const PREFIX = "#/components/schemas/";

/** What a schema may have besides what a type is made of: limits, and words for people. */
const SILENT = new Set([
  "description", "examples", "format", "pattern", "default", "contentEncoding",
  "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems",
]);

const key = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
const refuse = (at, what) => {
  throw new Error(`types: ${at}: ${what}`);
};

function typeOf(schema, at, indent) {
  const { $ref, anyOf, type, enum: words, properties, required, additionalProperties, items, ...rest } = schema;
  const unknown = Object.keys(rest).filter((name) => !SILENT.has(name));
  if (unknown.length > 0) refuse(at, `does not know ${unknown.join(", ")}`);
  if ($ref !== undefined) return $ref.startsWith(PREFIX) ? `Schemas[${JSON.stringify($ref.slice(PREFIX.length))}]` : refuse(at, $ref);
  if (anyOf !== undefined) return anyOf.map((one) => typeOf(one, at, indent)).join(" | ");
  if (words !== undefined) {
    const literals = words.map((word) => JSON.stringify(word));
    if ([type].flat().includes("null") && !words.includes(null)) literals.push("null");
    return literals.join(" | ");
  }
  if (type === undefined) return Object.keys(schema).every((name) => name === "description") ? "unknown" : refuse(at, "has no type");
  return [type].flat().map((one) => simple(one, { properties, required, additionalProperties, items }, at, indent)).join(" | ");
}

function simple(type, { properties, required = [], additionalProperties, items }, at, indent) {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array": {
      const of = typeOf(items ?? refuse(at, "has no items"), `${at}[]`, indent);
      return /[ |]/.test(of) && !of.startsWith("{") ? `(${of})[]` : `${of}[]`;
    }
    case "object":
      if (properties === undefined && typeof additionalProperties === "object") return `Record<string, ${typeOf(additionalProperties, at, indent)}>`;
      return objectOf(properties ?? {}, required, at, indent);
    default:
      return refuse(at, `does not know the type ${type}`);
  }
}

function objectOf(properties, required, at, indent) {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, schema]) => {
    const about = schema.description ? `${inner}/** ${schema.description.replaceAll("*/", "* /")} */\n` : "";
    return `${about}${inner}${key(name)}${required.includes(name) ? "" : "?"}: ${typeOf(schema, `${at}.${name}`, inner)};\n`;
  });
  return lines.length === 0 ? "Record<string, never>" : `{\n${lines.join("")}${indent}}`;
}

const file = process.argv[2] ?? refuse("usage", "rialto openapi | node types.mjs FILE");
const { components } = JSON.parse(readFileSync(0, "utf8"));
const text = `// Made by types.mjs of what \`rialto openapi\` says. Not to be edited.\n\nexport interface Schemas ${objectOf(components.schemas, Object.keys(components.schemas), "schemas", "")}\n`;
// A file that did not change keeps its time, so that nothing is built again because of it.
if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
