// A first program with the official Node SDK: make an agent, talk, stream, read its memory.
// Prints one JSON object with what it got; test_node.py says what that has to be.
//
// usage: node quickstart.mjs BASE_URL MODEL

import Letta, { APIError, NotFoundError } from "@letta-ai/letta-client";

const [baseURL, model] = process.argv.slice(2);
const client = new Letta({ baseURL, maxRetries: 0 });

const agent = await client.agents.create({
  model,
  memory_blocks: [
    { label: "human", value: "Name: Ada" },
    { label: "persona", value: "I am a kind companion." },
  ],
  tools: ["archival_memory_insert", "archival_memory_search"],
});

const script =
  '[[script: call memory_insert {"label": "human", "new_string": "Lives in Ulm."}]] [[then: say Noted.]]';
const response = await client.agents.messages.create(agent.id, {
  messages: [{ role: "user", content: `I live in Ulm. ${script}` }],
});

const streamed = [];
const stream = await client.agents.messages.stream(agent.id, {
  messages: [{ role: "user", content: "Say it again. [[script: say Ulm on the Danube]]" }],
  stream_tokens: true,
});
for await (const event of stream) {
  streamed.push(event);
}

const human = await client.agents.blocks.retrieve("human", { agent_id: agent.id });
const passages = await client.agents.passages.create(agent.id, {
  text: "Ada keeps bees behind the cathedral.",
  tags: ["hobby"],
});
const search = await client.agents.passages.search(agent.id, { query: "bees" });

const history = [];
for await (const message of client.agents.messages.list(agent.id, { order: "asc", limit: 3 })) {
  history.push(message.message_type);
}
const agents = [];
for await (const found of client.agents.list({ name: agent.name, limit: 1 })) {
  agents.push(found.id);
}
const tools = [];
for await (const tool of client.agents.tools.list(agent.id)) {
  tools.push(tool.name);
}

let missing = null;
try {
  await client.agents.retrieve("agent-00000000-0000-4000-8000-000000000000");
} catch (error) {
  missing = { isNotFound: error instanceof NotFoundError, detail: error.error?.detail };
}
let unserved = null;
try {
  await client.templates.create({ type: "agent", agent_id: agent.id });
} catch (error) {
  unserved = { isAPIError: error instanceof APIError, status: error.status };
}

const deleted = await client.agents.delete(agent.id);
const health = await client.health();

console.log(
  JSON.stringify({
    agent,
    response,
    streamed,
    human,
    passages,
    search,
    history,
    agents,
    tools,
    missing,
    unserved,
    deleted,
    health,
  }),
);
