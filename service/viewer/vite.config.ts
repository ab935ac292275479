import { defineConfig } from "vite";

// Every address is relative, so that the page also works below a path prefix of a reverse proxy.
export default defineConfig({
  base: "./",
  resolve: {
    alias: { "@myocast/client": new URL("../../clients/js/src/index.ts", import.meta.url).pathname },
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 8192,
    chunkSizeWarningLimit: 1500,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/v1": { target: "http://127.0.0.1:8765", ws: true },
      "/api": { target: "http://127.0.0.1:8765" },
    },
  },
});
