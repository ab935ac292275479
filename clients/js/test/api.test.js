import assert from "node:assert/strict";
import test from "node:test";

import { Address, Api, ApiError } from "../dist/index.js";

function api(response) {
  const calls = [];
  const fetcher = (url, init) => {
    calls.push({ url, ...init });
    return Promise.resolve(response);
  };
  return { api: new Api(new Address("http://h:1/#token=t"), fetcher), calls };
}

test("posts JSON with the token, and gives the answer", async () => {
  const { api: it, calls } = api(Response.json({ position_s: 4 }));
  assert.deepEqual(await it.replay({ action: "seek", value: 4 }), { position_s: 4 });
  assert.equal(calls[0].url, "http://h:1/api/v1/replay");
  assert.equal(calls[0].method, "POST");
  assert.equal(calls[0].body, '{"action":"seek","value":4}');
  assert.deepEqual(calls[0].headers, { Authorization: "Bearer t", "Content-Type": "application/json" });
});

test("names the armband only where there are several", async () => {
  const { api: it, calls } = api(Response.json({}));
  await it.device({ action: "vibrate", value: "short" }, 2);
  assert.equal(calls[0].body, '{"action":"vibrate","value":"short","device":2}');
});

test("a refusal is an error with the contract's code", async () => {
  const body = { error: { code: "conflict", message: "the source is not a replay" } };
  const { api: it } = api(Response.json(body, { status: 409 }));
  await assert.rejects(it.replay({ action: "pause" }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.message], [409, "conflict", "the source is not a replay"]);
    return true;
  });
});

test("an answer that is no JSON is still an error with a text", async () => {
  const { api: it } = api(new Response("bad gateway", { status: 502, statusText: "Bad Gateway" }));
  await assert.rejects(it.status(), /502 Bad Gateway/);
});

test("models are listed and chosen", async () => {
  const { api: it, calls } = api(Response.json({}));
  await it.models();
  await it.models(1).catch(() => null);
  await it.useModel("anna", 1).catch(() => null);
  assert.deepEqual(calls.map((call) => call.url.split("/v1/")[1]), ["models", "models?device=1", "model"]);
  assert.equal(calls[2].body, '{"action":"use","name":"anna","device":1}');
});

test("an alignment is asked about, and started", async () => {
  const { api: it, calls } = api(Response.json({ state: "none" }));
  assert.deepEqual(await it.alignment(), { state: "none" });
  await it.alignment({ action: "start", cues: ["rest", "fist"], seconds: 5 }, 1).catch(() => null);
  assert.deepEqual(calls.map((call) => call.url.split("/v1/")[1]), ["alignment", "alignment"]);
  assert.equal(calls[1].body, '{"action":"start","cues":["rest","fist"],"seconds":5,"device":1}');
});

test("what was learned is asked about, and kept", async () => {
  const { api: it, calls } = api(Response.json({ state: "ready" }));
  assert.deepEqual(await it.personal(), { state: "ready" });
  await it.personal({ action: "keep", name: "anna" }).catch(() => null);
  assert.deepEqual(calls.map((call) => call.url.split("/v1/")[1]), ["personal", "personal"]);
  assert.equal(calls[1].body, '{"action":"keep","name":"anna"}');
});

test("recordings are listed, and downloaded with the token in the address", async () => {
  const { api: it, calls } = api(Response.json({ folder: "/r", recordings: [] }));
  assert.deepEqual(await it.recordings(), { folder: "/r", recordings: [] });
  assert.equal(calls[0].url, "http://h:1/api/v1/recordings");
  assert.equal(it.recordingAddress("fist-1"), "http://h:1/api/v1/recordings/fist-1?token=t");
  assert.equal(new Api(new Address("http://h:1/")).recordingAddress("a"), "http://h:1/api/v1/recordings/a");
});
