// node submit.mjs URL TYPE TARGET: hand in a task and print its result.
import { randomUUID } from "node:crypto";
import { connect } from "@nats-io/transport-node";

const [url, type, target] = process.argv.slice(2);
const nc = await connect({ servers: url });
const id = randomUUID();
// Listening begins before the task is handed in, so its result cannot be missed.
const results = nc.subscribe(`sanctuary.result.${type}.${id}`, { max: 1 });
// A request, because the answer says that the task is stored.
await nc.request(`sanctuary.task.${type}`, JSON.stringify({ id, params: { target } }), { timeout: 5000 });
for await (const result of results) console.log(result.string());
await nc.close();
