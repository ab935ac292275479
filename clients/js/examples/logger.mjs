// Prints poses as they come. Node 22 or later: node examples/logger.mjs http://127.0.0.1:8765/ [COUNT]
// Node 20: add the flag --experimental-websocket, or pass { WebSocket } from the package `ws`.
import { connect, JOINTS } from "@myocast/client";

const [url = "http://127.0.0.1:8765/", count = "Infinity"] = process.argv.slice(2);
const client = connect(url, { streams: ["pose", "status"], maxRate: 20 });
const tip = JOINTS.indexOf("index_tip") * 3;

client.on("connection", ({ phase, error }) => console.error(phase, error?.message ?? ""));
client.on("status", ({ state, battery }) => console.error(state, battery === null ? "" : `${battery} %`));

let seen = 0;
for await (const pose of client) {
  const [x, y, z] = pose.joints.subarray(tip, tip + 3);
  const latency = client.latency(pose);
  console.log(
    `seq ${pose.seq}  index tip ${x.toFixed(1)} ${y.toFixed(1)} ${z.toFixed(1)} mm  ` +
      `server ${pose.age_ms.toFixed(1)} ms  here ${latency === null ? "?" : (latency * 1000).toFixed(1)} ms`,
  );
  if (++seen >= Number(count)) break;
}
client.close();
