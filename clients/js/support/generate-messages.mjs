// Writes the types of the stream's messages from the server's JSON Schemas, after a change of a schema:
//
//   npm ci && npm run generate
//
// With --check it writes nothing and fails where the file is not what the schemas say.
import { readFileSync, writeFileSync } from "node:fs";

import { compile } from "json-schema-to-typescript";

const SCHEMAS = new URL("../../../service/schemas/", import.meta.url);
const FILE = new URL("../src/messages.generated.ts", import.meta.url);
const BANNER = `/**
 * The text messages of the stream as they are on the wire.
 *
 * Generated from service/schemas by \`npm run generate\`; do not edit.
 */
`;
const NAMES = {
  hello: "Hello", pose: "PoseText", emg: "EmgText", imu: "Imu", status: "Status", bye: "Bye", pong: "Pong",
  error: "ErrorMessage", ping: "Ping", subscribe: "Subscribe", label: "Label", marker: "Marker",
};
/** Longest array whose items are listed one by one in its type. */
const LONGEST_TUPLE = 8;

/** The same schema without bounds that would make an unreadable type: 63 times \`number\`, or "at least one". */
function readable(node) {
  if (Array.isArray(node)) return node.map(readable);
  if (typeof node !== "object" || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, readable(value)]));
  if (copy.minItems !== copy.maxItems || copy.maxItems > LONGEST_TUPLE) {
    delete copy.minItems;
    delete copy.maxItems;
  }
  if (Object.keys(copy).join() === "description") copy.tsType = "unknown";
  return copy;
}

async function declaration(message) {
  const schema = readable(JSON.parse(readFileSync(new URL(`${message}.json`, SCHEMAS), "utf8")));
  schema.title = NAMES[message];
  // "Either joints or angles" would make a union of every field; both are optional in the type.
  delete schema.oneOf;
  for (const [name, part] of Object.entries(schema.$defs ?? {})) {
    part.title = `${name[0].toUpperCase()}${name.slice(1)}Info`;
  }
  const options = { bannerComment: "", additionalProperties: false, style: { printWidth: 120 } };
  return compile(schema, schema.title, options);
}

const text = [BANNER, ...(await Promise.all(Object.keys(NAMES).map(declaration)))].join("\n");
if (!process.argv.includes("--check")) {
  writeFileSync(FILE, text);
} else if (readFileSync(FILE, "utf8").replaceAll("\r\n", "\n") !== text) {
  console.error("src/messages.generated.ts is not what service/schemas says: run `npm ci && npm run generate` in clients/js");
  process.exit(1);
}
