// node request.mjs URL: for each line {"subject", "data"} on standard input (data is base64), request and print what
// comes back as {"headers", "data"}. All at once, so that what is wrong meets what is right.
import { createInterface } from "node:readline";
import { connect } from "@nats-io/transport-node";

const nc = await connect({ servers: process.argv[2] });
const requests = [];
for await (const line of createInterface({ input: process.stdin })) requests.push(JSON.parse(line));
const answers = requests.map(({ subject, data }) => nc.request(subject, Buffer.from(data, "base64"), { timeout: 250000 }));
for (const answer of await Promise.all(answers)) {
  const headers = {};
  for (const key of answer.headers?.keys() ?? []) headers[key] = answer.headers.values(key);
  console.log(JSON.stringify({ headers, data: Buffer.from(answer.data).toString("base64") }));
}
await nc.close();
