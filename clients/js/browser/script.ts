/** `/client.js`: for `<script src="http://localhost:8765/client.js">`, which makes a global `myocast`. */

import { connectToServerOf } from "./connect.js";

export * from "../src/index.js";

const script = document.currentScript;
export const connect = connectToServerOf(script instanceof HTMLScriptElement ? script.src : location.href);
