// Every operation of the official Node SDK, found in the client itself, called once each.
// Prints one JSON object: what came of each; test_operations_table.py compares it with Python's.
//
// usage: node operations.mjs BASE_URL PLAN   a JSON file: [[operation, {argument: value}], ...]

import { readFileSync } from "node:fs";
import Letta, { APIError, toFile } from "@letta-ai/letta-client";

const [baseURL, planFile] = process.argv.slice(2);
const requests = [];
const client = new Letta({
  baseURL,
  maxRetries: 0,
  fetch: (url, init) => {
    requests.push({ method: init.method.toUpperCase(), path: new URL(url).pathname });
    return fetch(url, init);
  },
});

const snake = (name) => name.replace(/ID/g, "Id").replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

// Methods that name a path of the API, below the client or one of its resources.
function* operations(resource, prefix = "") {
  const prototype = Object.getPrototypeOf(resource);
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = prototype[name];
    if (name !== "constructor" && typeof method === "function" && /["'`]\/v1\//.test(method)) {
      yield [`${prefix}${snake(name)}`, method.bind(resource), method];
    }
  }
  for (const [name, value] of Object.entries(resource)) {
    if (value && value._client === client) yield* operations(value, `${prefix}${snake(name)}.`);
  }
}

// The method's own parameters first, by name; what is left goes into its object.
const REST = ["params", "body", "query", "options"];
function positional(method, values) {
  const names = /\(([^)]*)\)/.exec(method)[1].split(",").map((each) => each.trim().split(" ")[0]);
  const left = { ...values };
  const given = [];
  for (const name of names.filter((each) => each && !REST.includes(each))) {
    const key = [snake(name), `path_${snake(name)}`].find((each) => each in left);
    given.push(left[key]);
    delete left[key];
  }
  return names.some((each) => REST.slice(0, 3).includes(each)) ? [...given, left] : given;
}

async function outcome(call, values) {
  try {
    const answer = await call(...values);
    const events = [];
    if (answer?.controller) for await (const event of answer) events.push(event);
    return { outcome: "served" };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { outcome: "refused", kind: error.constructor.name, status: error.status, reason: error.error?.detail };
  }
}

const found = new Map([...operations(client)].map(([name, call, method]) => [name, { call, method }]));
const answered = { unknown: [...found.keys()] };
for (const [name, values] of JSON.parse(readFileSync(planFile, "utf8"))) {
  answered.unknown = answered.unknown.filter((each) => each !== name);
  if (Array.isArray(values.file)) values.file = await toFile(Buffer.from(values.file[1]), values.file[0]);
  const { call, method } = found.get(name);
  requests.length = 0;
  answered[name] = await outcome(call, positional(method, values));
  Object.assign(answered[name], requests[0]);
}
console.log(JSON.stringify(answered));
