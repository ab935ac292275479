import assert from "node:assert/strict";
import test from "node:test";

import { connect } from "../dist/index.js";
import { goldenBytes, goldenText, World } from "../support/world.js";

const URL = "http://127.0.0.1:8765/";

function start(world, options = {}, url = URL) {
  const client = connect(url, { environment: world.environment, ...options });
  const phases = [];
  client.on("connection", ({ phase }) => phases.push(phase));
  return { client, phases };
}

test("asks for binary, for what is wanted, and delivers every kind of message", async () => {
  const world = new World();
  const { client } = start(world, { streams: ["pose", "emg"], maxRate: 30, token: "t" });
  const seen = [];
  client.on("message", (message) => seen.push(message.type));
  await world.pass(0.05);
  assert.deepEqual(world.socket.protocols, ["myocast.v1.binary"]);
  assert.equal(world.socket.url.search, "?streams=pose,emg&max_rate=30&token=t");
  assert.equal(world.socket.binaryType, "arraybuffer");
  for (const name of ["hello", "imu", "status", "bye", "error"]) world.socket.deliver(goldenText(`${name}.json`));
  for (const name of ["pose_truth", "emg"]) world.socket.deliver(goldenBytes(`${name}.bin`));
  assert.deepEqual(seen.filter((type) => type !== "pong"), ["hello", "imu", "status", "bye", "error", "pose", "emg"]);
  assert.equal(client.hello.session, "9f0c2d6be1f94c57");
  assert.equal(client.latest, null, "the pose was of another armband than the first");
  world.socket.deliver(goldenBytes("pose.bin"));
  assert.equal(client.latest.seq, 812);
  client.close();
});

test("a pose loop always gets the newest pose, a message loop gets what waits", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(0.05);
  const poses = client[Symbol.asyncIterator]();
  const rows = client.messages("emg", 2);
  const pose = JSON.parse(goldenText("pose.json"));
  for (const seq of [1, 2, 3]) world.socket.deliver({ ...pose, seq });
  const emg = JSON.parse(goldenText("emg.json"));
  for (const sample of [8, 16, 24]) world.socket.deliver({ ...emg, sample });
  assert.equal((await poses.next()).value.seq, 3);
  assert.deepEqual([(await rows.next()).value.sample, (await rows.next()).value.sample], [16, 24]);
  const pending = poses.next();
  client.close();
  assert.equal((await pending).done, true);
  assert.equal((await rows.next()).done, true);
});

test("leaving a loop stops listening; a listener can be taken off", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(0.05);
  const pose = goldenBytes("pose.bin");
  let heard = 0;
  const stop = client.on("pose", () => heard++);
  queueMicrotask(() => world.socket.deliver(pose));
  for await (const got of client) {
    assert.equal(got.type, "pose");
    break;
  }
  stop();
  world.socket.deliver(pose);
  assert.equal(heard, 1);
  client.close();
});

test("what cannot be decoded is counted, and the stream goes on", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(0.05);
  const errors = [];
  client.on("malformed", (error) => errors.push(error.message));
  world.socket.deliver(goldenBytes("pose.bin").slice(0, 100));
  world.socket.deliver("nonsense");
  world.socket.deliver(goldenText("hello.json"));
  assert.equal(client.malformed, 2);
  assert.match(errors[0], /needs 296 bytes, got 100/);
  assert.notEqual(client.hello, null);
  client.close();
});

test("a lost server is back within 2 s of its return, after 10 s and after an hour", async () => {
  for (const outage of [10, 3600]) {
    const world = new World();
    const { client } = start(world);
    await world.pass(1);
    world.mode = "away";
    world.socket.end(1006);
    await world.pass(outage);
    assert.notEqual(client.connection.phase, "open");
    world.mode = "up";
    await world.pass(1.9);
    assert.equal(client.connection.phase, "open", `after ${outage} s`);
    client.close();
  }
});

test("a server that is away is asked over HTTP, not with one WebSocket after the other", async () => {
  const world = new World();
  const { client, phases } = start(world);
  await world.pass(1);
  world.mode = "away";
  world.socket.end(1006);
  const before = world.sockets.length;
  await world.pass(60);
  assert.ok(world.requests.length > 30);
  assert.ok(world.sockets.length - before < world.requests.length / 2.5);
  assert.equal(client.connectionError.code, "unreachable");
  assert.ok(phases.includes("waiting"));
  client.close();
});

test("pauses grow from 0.25 s to 1.5 s", async () => {
  const world = new World();
  world.mode = "away";
  const { client } = start(world);
  const pauses = [];
  client.on("connection", ({ phase, retryMs }) => phase === "waiting" && pauses.push(Math.round(retryMs)));
  await world.pass(8);
  assert.deepEqual(pauses.slice(0, 4), [500, 1000, 1500, 1500]);
  world.mode = "up";
  await world.pass(2);
  pauses.length = 0;
  world.socket.end(1006);
  assert.deepEqual(pauses, [250]);
  client.close();
});

test("a link that answers no ping for 2 s is given up and made again", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(5);
  const first = world.socket;
  world.mode = "silent";
  await world.pass(3.5);
  assert.notEqual(world.socket, first);
  assert.equal(first.readyState, 3);
  world.mode = "up";
  await world.pass(4);
  assert.equal(client.connection.phase, "open");
  client.close();
});

test("a paused or ended replay sends nothing but pongs, and that is enough", async () => {
  const world = new World();
  const { client, phases } = start(world, { streams: ["pose"] });
  await world.pass(600);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(phases, ["open"]);
  client.close();
});

test("a program that slept asks again before it judges the link", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(5);
  for (let i = 0; i < 5; i++) {
    await world.sleep(60);
    await world.pass(0.5);
  }
  assert.equal(world.sockets.length, 1);
  assert.equal(client.connection.phase, "open");
  client.close();
});

test("a refused handshake is explained by the API, and is final", async () => {
  const world = new World();
  world.mode = "refusing";
  const { client } = start(world, { token: "wrong" });
  await world.pass(30);
  const error = { code: "unauthorized", message: "a token is needed" };
  assert.deepEqual({ ...client.connection }, { phase: "refused", attempt: 1, retryMs: 0, error });
  assert.deepEqual(client.connectionError, error);
  assert.equal(client.connected, false);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.requests[0].url, "http://127.0.0.1:8765/api/v1/status");
  assert.equal(world.requests[0].headers.Authorization, "Bearer wrong");
  world.mode = "up";
  client.retry();
  await world.pass(0.1);
  assert.equal(client.connection.phase, "open");
  client.close();
});

test("a server that says goodbye is told from one that vanished", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(1);
  world.socket.deliver({ type: "bye", reason: "the server stops" });
  world.socket.end(1001);
  assert.deepEqual(client.connectionError, { code: "stopping", message: "the server stops" });
  client.close();
});

test("the network's return is taken up at once", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(1);
  world.mode = "away";
  world.socket.end(1006);
  await world.pass(20.4);
  world.mode = "up";
  const before = world.sockets.length;
  for (const wake of world.wakers) wake();
  assert.ok(world.sockets.length > before || client.connection.phase !== "waiting");
  await world.pass(0.1);
  assert.equal(client.connection.phase, "open");
  client.close();
  assert.equal(world.wakers.size, 0);
});

test("a new subscription is sent, and holds after a reconnect", async () => {
  const world = new World();
  const { client } = start(world);
  await world.pass(0.5);
  client.subscribe({ streams: ["pose", "imu"], maxRate: 15 });
  assert.deepEqual(world.socket.sent.at(-1), { type: "subscribe", streams: ["pose", "imu"], max_rate: 15 });
  world.socket.end(1006);
  await world.pass(1);
  assert.equal(world.socket.url.search, "?streams=pose,imu&max_rate=15");
  client.close();
});

test("labels and markers are sent as the golden ones, and not without a connection", async () => {
  const world = new World();
  const { client } = start(world);
  assert.equal(client.sendMarker("too early"), false);
  await world.pass(0.5);
  for (const name of ["label", "label_angles"]) {
    const { type, ...value } = JSON.parse(goldenText(`client/${name}.json`));
    assert.equal(client.sendLabel(value), true);
    assert.deepEqual(world.socket.sent.at(-1), { type, ...value });
  }
  const marker = JSON.parse(goldenText("client/marker.json"));
  assert.equal(client.sendMarker(marker.label, marker.t), true);
  assert.deepEqual(world.socket.sent.at(-1), marker);
  client.sendMarker("now");
  assert.deepEqual(world.socket.sent.at(-1), { type: "marker", label: "now" });
  client.close();
});

test("the clocks are lined up by ping and pong, and a message's latency follows", async () => {
  const world = new World();
  world.serverAhead = 123.4;
  const { client } = start(world);
  assert.deepEqual([client.serverNow(), client.clockOffset, client.roundTrip, client.latency({ t: 0 })], [null, null, null, null]);
  await world.pass(2);
  assert.ok(Math.abs(client.clockOffset - 123.4) < 0.005);
  assert.ok(Math.abs(client.roundTrip - world.latency) < 1e-6);
  assert.ok(Math.abs(client.serverNow() - (world.time + 123.4)) < 0.005);
  assert.ok(Math.abs(client.latency({ t: world.time + 123.4 - 0.05 }) - 0.05) < 0.005);
  client.close();
});

test("the names of version 0.1 still work, and each says once what it is called now", async () => {
  const world = new World();
  world.serverAhead = 123.4;
  const { client } = start(world);
  const said = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  try {
    await world.pass(2);
    const message = { t: world.time + 123 };
    for (let i = 0; i < 3; i++) {
      assert.equal(client.now(), client.serverNow());
      assert.equal(client.ageMs(message), client.latency(message) * 1000);
      assert.equal(client.clock.offset, client.clockOffset);
      assert.equal(client.clock.roundTrip, client.roundTrip);
    }
    world.mode = "refusing";
    world.socket.end(1006);
    await world.pass(2);
    const { phase, trouble } = client.connection;
    assert.deepEqual([phase, trouble], ["refused", client.connectionError]);
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(said, [
    "@myocast/client: client.now() is deprecated and goes with version 0.2; use client.serverNow()",
    "@myocast/client: client.ageMs(message) is deprecated and goes with version 0.2; use client.latency(message), in seconds",
    "@myocast/client: client.clock is deprecated and goes with version 0.2; use client.clockOffset and client.roundTrip",
    "@myocast/client: connection.trouble is deprecated and goes with version 0.2; use connection.error",
  ]);
  client.close();
});

test("a page whose origin is refused is told so, not that no server answers", async () => {
  const world = new World();
  world.mode = "foreign";
  world.refusal = { status: 403, code: "forbidden", message: "pages from https://p.example may not connect" };
  for (const token of [undefined, "t"]) {
    world.requests.length = 0;
    const { client } = start(world, { token });
    await world.pass(5);
    assert.equal(client.connection.phase, "refused");
    assert.deepEqual(client.connectionError, { code: "forbidden", message: world.refusal.message });
    assert.ok(world.requests.length <= 2);
    client.close();
  }
});

test("without its token a client takes no other answer for a refusal", async () => {
  const world = new World();
  world.mode = "foreign";
  const { client } = start(world, { token: "t" });
  await world.pass(5);
  assert.equal(client.connection.phase, "waiting");
  assert.equal(client.connectionError.code, "unreachable");
  client.close();
});

test("an attempt that never opens is given up", async () => {
  const world = new World();
  const { client } = start(world);
  world.socket.open = () => undefined;
  await world.pass(4.5);
  assert.equal(world.sockets[0].closed, 4000);
  await world.pass(2);
  assert.equal(client.connection.phase, "open");
  client.close();
});

test("closing is final: no socket, no timer, no message", async () => {
  const world = new World();
  const { client, phases } = start(world);
  await world.pass(1);
  const socket = world.socket;
  client.close();
  client.close();
  client.retry();
  await world.pass(60);
  assert.equal(world.sockets.length, 1);
  assert.equal(socket.closed, 1000);
  assert.deepEqual(phases, ["open", "closed"]);
});

test("without a WebSocket the error says what to do", () => {
  const given = globalThis.WebSocket;
  try {
    delete globalThis.WebSocket;
    assert.throws(() => connect(URL), /use Node 22 or later, or pass one/);
  } finally {
    if (given) globalThis.WebSocket = given;
  }
});
