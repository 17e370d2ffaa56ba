// Runs that nobody waits for, approvals and tools of the caller, with the official Node SDK.
// Prints one JSON object with what it got; test_node_flows.py says what that has to be.
//
// usage: node flows.mjs BASE_URL MODEL            all flows; leaves one run half read
//        node flows.mjs BASE_URL resume RUN SEQ   reads the rest of it, in another process

import Letta, { ConflictError } from "@letta-ai/letta-client";

const [baseURL, model, runId, seqId] = process.argv.slice(2);
const client = new Letta({ baseURL, maxRetries: 0 });

const rest = async (stream) => {
  const seen = [];
  for await (const event of stream) seen.push(event);
  return seen;
};

const refused = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return { isConflict: error instanceof ConflictError, status: error.status };
  }
};

if (model === "resume") {
  const stream = await client.runs.messages.stream(runId, { starting_after: Number(seqId) });
  console.log(JSON.stringify(await rest(stream)));
  process.exit(0);
}

const note = 'call memory_insert {"label": "human", "new_string": "Likes tea"}';
const anAgent = (fields) =>
  client.agents.create({ model, memory_blocks: [{ label: "human", value: "Name: Ada" }], ...fields });
const value = async (agent) =>
  (await client.agents.blocks.retrieve("human", { agent_id: agent.id })).value;
const approval = (call, approve, reason) => ({
  type: "approval",
  approvals: [{ type: "approval", tool_call_id: call.tool_call_id, approve, reason }],
});

// A stream in the background that is left after its first message.
const away = await anAgent();
const stream = await client.agents.messages.stream(away.id, {
  input: `go [[script: ${note}]] [[then: say all noted]]`,
  background: true,
  include_pings: false,
});
const first = (await stream[Symbol.asyncIterator]().next()).value;
stream.controller.abort();

// A run that is only started, and asked for.
const started = await client.agents.messages.createAsync(away.id, {
  input: "later [[script: say later]]",
});
let run = started;
while (["created", "running"].includes(run.status)) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  run = await client.runs.retrieve(started.id);
}
const saidInRun = (await client.runs.messages.list(run.id)).items.map((m) => m.message_type);

// Cancelled while it streams.
const busy = await anAgent();
const long = await client.agents.messages.stream(busy.id, {
  input: `go [[script: ${note}]] [[then: delay 20]] [[and: say never]]`,
  include_pings: false,
});
const events = [];
for await (const event of long) {
  events.push(event);
  if (event.message_type === "tool_return_message") {
    await client.agents.messages.cancel(busy.id);
  }
}

// Approvals: a message meanwhile, the wrong id, denied, and given.
const careful = await anAgent({
  tool_rules: [{ type: "requires_approval", tool_name: "memory_insert" }],
});
const ask = () =>
  client.agents.messages.create(careful.id, { input: `go [[script: ${note}]] [[then: say ok]]` });
const request = (await ask()).messages.at(-1);
const meanwhile = await refused(client.agents.messages.create(careful.id, { input: "hello?" }));
const wrong = await refused(
  client.agents.messages.create(careful.id, {
    messages: [approval({ tool_call_id: "call-of-nobody" }, true)],
  }),
);
const denied = await client.agents.messages.create(careful.id, {
  messages: [approval(request.tool_calls[0], false, "too private")],
});
const afterDenial = await value(careful);
const again = (await ask()).messages.at(-1);
const given = await client.agents.messages.create(careful.id, {
  messages: [approval(again.tool_calls[0], true)],
});
const afterApproval = await value(careful);

// A tool that the caller runs.
const tools = [
  {
    name: "weather",
    description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const outdoors = await anAgent();
const wish = (
  await client.agents.messages.create(outdoors.id, {
    input: 'out? [[script: call weather {"city": "Rome"}]] [[then: say Go]]',
    client_tools: tools,
  })
).messages.at(-1);
const served = await client.agents.messages.create(outdoors.id, {
  client_tools: tools,
  messages: [
    {
      type: "approval",
      approvals: [
        {
          type: "tool",
          tool_call_id: wish.tool_calls[0].tool_call_id,
          tool_return: "sunny",
          status: "success",
        },
      ],
    },
  ],
});

// The same message sent twice.
const twice = { messages: [{ role: "user", content: "hi [[script: say hi]]", otid: "otid-node-1" }] };
const once = await client.agents.messages.create(outdoors.id, twice);
const repeated = await client.agents.messages.create(outdoors.id, twice);

const kinds = (messages) => messages.map((message) => message.message_type);
console.log(
  JSON.stringify({
    first,
    run: { status: run.status, stop_reason: run.stop_reason, said: saidInRun },
    cancelled: { kinds: kinds(events), stop: events.at(-1).stop_reason },
    approval: {
      request: request.message_type,
      meanwhile,
      wrong,
      denied: denied.messages[0],
      afterDenial,
      given: kinds(given.messages),
      afterApproval,
    },
    clientTool: { asked: wish.message_type, served: kinds(served.messages) },
    same: [once.messages.at(-1).id, repeated.messages.at(-1).id],
  }),
);
