/** `/client.mjs`: for `import { connect } from "http://localhost:8765/client.mjs"`. */

import { connectToServerOf } from "./connect.js";

export * from "../src/index.js";

export const connect = connectToServerOf(import.meta.url);
