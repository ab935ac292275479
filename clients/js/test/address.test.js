import assert from "node:assert/strict";
import test from "node:test";

import { Address } from "../dist/index.js";

const cases = [
  ["http://127.0.0.1:8765/", "http://127.0.0.1:8765/", null],
  ["http://127.0.0.1:8765", "http://127.0.0.1:8765/", null],
  ["http://192.168.1.4:8765/#token=a%20b", "http://192.168.1.4:8765/", "a b"],
  ["ws://host:1/v1/stream?token=t", "http://host:1/", "t"],
  ["wss://lab.example/hands/v1/stream", "https://lab.example/hands/", null],
  ["https://lab.example/hands/index.html", "https://lab.example/hands/", null],
  ["https://lab.example/hands", "https://lab.example/hands/", null],
];

for (const [given, http, token] of cases) {
  test(`${given} → ${http}`, () => {
    const address = new Address(given);
    assert.equal(address.http, http);
    assert.equal(address.token, token);
  });
}

test("the stream's address carries subscription and token", () => {
  const address = new Address("https://lab.example/", "s&cret");
  assert.equal(
    address.stream(["pose", "emg"], 60),
    "wss://lab.example/v1/stream?streams=pose,emg&max_rate=60&token=s%26cret",
  );
  assert.equal(new Address("http://h/").stream(["pose"], null), "ws://h/v1/stream?streams=pose");
});

test("a given token wins over the address's", () => {
  assert.equal(new Address("http://h/#token=old", "new").token, "new");
});

test("other schemes are refused with what was expected", () => {
  assert.throws(() => new Address("ftp://h/"), /expected an http, https, ws or wss address/);
});
