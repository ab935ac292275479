import assert from "node:assert/strict";
import test from "node:test";

import { ClockOffset } from "../dist/index.js";

test("no exchange, no offset", () => {
  assert.equal(new ClockOffset().offset, null);
});

test("the exchange with the shortest round trip counts", () => {
  const clock = new ClockOffset();
  clock.add(10, 10.2, 15.19);
  clock.add(11, 11.002, 16.001);
  clock.add(12, 12.3, 17.01);
  assert.ok(Math.abs(clock.offset - 5) < 1e-9);
  assert.ok(Math.abs(clock.roundTrip - 0.002) < 1e-9);
});

test("only the last eight count, so that a drifting clock is followed", () => {
  const clock = new ClockOffset();
  clock.add(0, 0.001, 100.0005);
  for (let i = 1; i <= 8; i++) clock.add(i, i + 0.1, i + 0.05 + 7);
  assert.ok(Math.abs(clock.offset - 7) < 1e-9);
});
