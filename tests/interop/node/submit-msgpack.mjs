// node submit-msgpack.mjs URL TYPE TARGET: the same in MessagePack; the answer comes to an inbox, in MessagePack too.
import { decode, encode } from "@msgpack/msgpack";
import { connect, createInbox, headers } from "@nats-io/transport-node";

const [url, type, target] = process.argv.slice(2);
const nc = await connect({ servers: url });
const reply_to = createInbox();
const results = nc.subscribe(reply_to, { max: 1 });
const header = headers();
header.set("Content-Type", "application/msgpack");
nc.publish(`sanctuary.task.${type}`, encode({ params: { target }, reply_to }), { headers: header });
for await (const result of results) {
  console.log(JSON.stringify({ contentType: result.headers.get("Content-Type"), result: decode(result.data) }));
}
await nc.close();
