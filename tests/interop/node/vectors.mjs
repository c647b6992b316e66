// node vectors.mjs: for each line of standard input, a message as JSON, print {"json", "msgpack"}: the same message written
// anew, as JSON and as base64 of MessagePack.
import { createInterface } from "node:readline";
import { encode } from "@msgpack/msgpack";

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  console.log(JSON.stringify({ json: message, msgpack: Buffer.from(encode(message)).toString("base64") }));
}
