// Two pages (viewer, studio), hashed files for an immutable cache, and the size promise to people on phones.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin, type Rollup } from "vite";

/** What a viewer downloads before anything is on the screen: script and style, gzipped. */
const VIEWER_BUDGET = 40 * 1024;
/** Smaller files cost more in headers than compression saves. */
const COMPRESS_FROM = 512;

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const weight = (content: string | Uint8Array): number => gzipSync(content, { level: 9 }).length;
const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} kB`;

type Bundle = Rollup.OutputBundle;

function files(bundle: Bundle, entry: Rollup.OutputChunk): Set<string> {
  const found = new Set<string>();
  const visit = (name: string): void => {
    const part = bundle[name];
    if (!part || found.has(name)) return;
    found.add(name);
    if (part.type !== "chunk") return;
    part.viteMetadata?.importedCss.forEach(visit);
    part.imports.forEach(visit);
  };
  visit(entry.fileName);
  return found;
}

function sizeOf(bundle: Bundle, name: string): number {
  const part = bundle[name];
  if (!part) return 0;
  return weight(part.type === "chunk" ? part.code : part.source);
}

/** Fails the build when the viewer's first download outgrows its budget; lists what is loaded later. */
function budget(): Plugin {
  return {
    name: "rialto-budget",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const chunks = Object.values(bundle).filter((part): part is Rollup.OutputChunk => part.type === "chunk");
        const entry = chunks.find((chunk) => chunk.isEntry && chunk.facadeModuleId?.endsWith("/app/index.html"));
        if (!entry) this.error("the viewer's page is not in the bundle, so its size cannot be judged");
        const first = files(bundle, entry);
        const total = [...first].reduce((sum, name) => sum + sizeOf(bundle, name), 0);
        const report = [`viewer, first download: ${kilobytes(total)} of ${kilobytes(VIEWER_BUDGET)}`];
        for (const name of first) report.push(`  ${kilobytes(sizeOf(bundle, name))}  ${name}`);
        report.push("loaded later, or by other pages:");
        for (const name of Object.keys(bundle).filter((n) => /\.(js|css)$/.test(n) && !first.has(n)))
          report.push(`  ${kilobytes(sizeOf(bundle, name))}  ${name}`);
        console.log(report.join("\n"));
        if (total > VIEWER_BUDGET) this.error(`the viewer's first download is ${kilobytes(total)}, at most ${kilobytes(VIEWER_BUDGET)}`);
      },
    },
  };
}

/** Compressing once, well, at build time spares the server doing it for every viewer. */
function precompress(folder: string): Plugin {
  const visit = (dir: string): void => {
    for (const name of readdirSync(dir)) {
      const path = join(dir, name);
      if (statSync(path).isDirectory()) visit(path);
      else if (/\.(js|css|svg|html|json)$/.test(name)) {
        const content = readFileSync(path);
        const small = gzipSync(content, { level: 9 });
        if (content.length >= COMPRESS_FROM && small.length < content.length) writeFileSync(`${path}.gz`, small);
      }
    }
  };
  return { name: "rialto-precompress", apply: "build", writeBundle: () => visit(folder) };
}

export default defineConfig({
  root: at("./app"),
  plugins: [budget(), precompress(at("./static/app"))],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: at("./static/app"),
    emptyOutDir: true,
    target: ["chrome107", "firefox104", "safari16"],
    // Data URLs and an injected polyfill would each need a hole in the content policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { input: { viewer: at("./app/index.html"), studio: at("./app/studio.html") } },
  },
  server: {
    // `npm run dev` beside a running program: its API, sockets and media.
    proxy: Object.fromEntries(
      ["/api", "/whip", "/whep", "/ws"].map((path) => [path, { target: "http://127.0.0.1:8080", ws: path === "/ws" }]),
    ),
  },
});
