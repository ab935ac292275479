// Builds what a server gives to other people's pages: `node build-client.mjs DIRECTORY` makes there
//   client.js        the client as a script that makes a global `myocast`
//   client.mjs       the client as a module
//   examples/        clients/js/examples, and three.js as one module for them
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const client = resolve(here, "../../clients/js");
const outDir = resolve(process.argv[2] ?? "dist");

/** Bundle one file into `fileName`; as a script its exports become the global `myocast`. */
function bundle(entry, fileName, format) {
  return build({
    configFile: false,
    root: here,
    logLevel: "warn",
    publicDir: false,
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      // Vite leaves the white space of modules in libraries alone, for bundlers that come after it; none does here.
      rolldownOptions: { output: { minify: true } },
      lib: { entry, name: "myocast", formats: [format], fileName: () => fileName },
    },
  });
}

await bundle(join(client, "browser/script.ts"), "client.js", "iife");
await bundle(join(client, "browser/module.ts"), "client.mjs", "es");
await bundle(join(here, "node_modules/three/build/three.module.js"), "examples/three.module.js", "es");

const examples = join(client, "examples");
mkdirSync(join(outDir, "examples"), { recursive: true });
for (const name of readdirSync(examples)) {
  if (name.endsWith(".html")) copyFileSync(join(examples, name), join(outDir, "examples", name));
}
