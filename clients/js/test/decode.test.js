import assert from "node:assert/strict";
import test from "node:test";

import { decode, ProtocolError } from "../dist/index.js";
import { goldenBytes, goldenText } from "../support/world.js";

const twins = ["pose", "pose_truth", "emg"];

function plain(message) {
  return Object.fromEntries(
    Object.entries(message).map(([key, value]) => [key, value instanceof Float32Array ? [...value] : value]),
  );
}

for (const name of twins) {
  test(`golden ${name}: bytes and text say the same`, () => {
    const fromBytes = plain(decode(goldenBytes(`${name}.bin`)));
    const fromText = plain(decode(goldenText(`${name}.json`)));
    if ("state" in fromText) fromText.state = null;
    assert.deepEqual(fromBytes, fromText);
  });

  test(`golden ${name}: every field of the text arrives`, () => {
    const raw = JSON.parse(goldenText(`${name}.json`));
    const message = plain(decode(goldenBytes(`${name}.bin`)));
    for (const [key, value] of Object.entries(raw)) {
      if (key === "state") continue;
      assert.deepEqual(message[key], key === "samples" ? value.flat() : value, key);
    }
  });

  test(`golden ${name}: a cut record is refused, whatever is missing`, () => {
    const whole = goldenBytes(`${name}.bin`);
    for (let length = 0; length < whole.byteLength; length++) {
      assert.throws(() => decode(whole.slice(0, length)), ProtocolError, `${length} bytes`);
    }
  });

  test(`golden ${name}: bytes at any offset decode to the same`, () => {
    const whole = new Uint8Array(goldenBytes(`${name}.bin`));
    for (const offset of [1, 2, 3, 4]) {
      const shifted = new Uint8Array(whole.length + offset);
      shifted.set(whole, offset);
      assert.deepEqual(plain(decode(shifted.subarray(offset))), plain(decode(whole.buffer)));
    }
  });
}

for (const name of ["hello", "hello_early", "status", "status_quiet", "imu", "bye", "pong", "error"]) {
  test(`golden ${name} comes through as it is`, () => {
    assert.deepEqual(decode(goldenText(`${name}.json`)), JSON.parse(goldenText(`${name}.json`)));
  });
}

test("the arrays of a pose are views of the message: nothing is copied", () => {
  const bytes = goldenBytes("pose_truth.bin");
  const pose = decode(bytes);
  assert.equal(pose.joints.buffer, bytes);
  assert.equal(pose.truth.buffer, bytes);
});

test("types, kinds and versions of the future are passed over", () => {
  const newer = new Uint8Array(goldenBytes("pose.bin"));
  newer[1] = 2;
  const other = new Uint8Array(goldenBytes("pose.bin"));
  other[0] = 9;
  assert.equal(decode(newer), null);
  assert.equal(decode(other), null);
  assert.equal(decode('{"type":"weather","sun":true}'), null);
});

test("text that is no message is refused", () => {
  const bad = ["", "{", "7", "null", "[]", "{}", '{"type":"pose","joints":[1,2]}', '{"type":"emg","samples":[[1]]}'];
  for (const text of bad) assert.throws(() => decode(text), ProtocolError, text);
});

test("flags and confidence of a binary pose", () => {
  const bytes = goldenBytes("pose.bin");
  const view = new DataView(bytes);
  view.setUint16(2, 0b10111, true);
  view.setFloat32(292, 0.75, true);
  const pose = decode(bytes);
  assert.deepEqual(
    [pose.hand, pose.held, pose.gap, pose.truth, pose.confidence],
    ["left", true, true, null, 0.75],
  );
});
