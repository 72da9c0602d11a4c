// Five pages (viewer, studio, brand, docs, mailbox), hashed files for an immutable cache, and the size promise to people on phones.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin, type Rollup } from "vite";

/** What a viewer downloads before a page can be used: script and style, gzipped. */
const VIEWER_BUDGET = 40 * 1024;
/** Smaller files cost more in headers than compression saves. */
const COMPRESS_FROM = 512;

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const weight = (content: string | Uint8Array): number => gzipSync(content, { level: 9 }).length;
const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} kB`;

type Bundle = Rollup.OutputBundle;

/** A file and everything it imports at once, style included. */
function files(bundle: Bundle, start: string): Set<string> {
  const found = new Set<string>();
  const visit = (name: string): void => {
    const part = bundle[name];
    if (!part || found.has(name)) return;
    found.add(name);
    if (part.type !== "chunk") return;
    part.viteMetadata?.importedCss.forEach(visit);
    part.imports.forEach(visit);
  };
  visit(start);
  return found;
}

function sizeOf(bundle: Bundle, name: string): number {
  const part = bundle[name];
  if (!part) return 0;
  return weight(part.type === "chunk" ? part.code : part.source);
}

/** Fails the build when a viewer's page outgrows the budget; lists what is loaded later. */
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
        const report: string[] = [];
        const counted = new Set<string>();
        // The document's own script draws nothing yet: what a person waits for is that and the part of their page.
        const starts = entry.dynamicImports;
        for (const name of starts) {
          const needed = new Set([...files(bundle, entry.fileName), ...files(bundle, name)]);
          const total = [...needed].reduce((sum, file) => sum + sizeOf(bundle, file), 0);
          needed.forEach((file) => counted.add(file));
          report.push(`${kilobytes(total)} of ${kilobytes(VIEWER_BUDGET)} before ${name} can be used`);
          if (total > VIEWER_BUDGET) this.error(`${name} needs ${kilobytes(total)}, at most ${kilobytes(VIEWER_BUDGET)}`);
        }
        if (starts.length === 0) this.error("no viewer's page was found, so none can be judged");
        report.push("loaded later, or backstage:");
        for (const name of Object.keys(bundle).filter((n) => /\.(js|css)$/.test(n) && !counted.has(n)))
          report.push(`  ${kilobytes(sizeOf(bundle, name))}  ${name}`);
        console.log(report.join("\n"));
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
    // The library of the docs page, which nobody else loads.
    chunkSizeWarningLimit: 1600,
    rollupOptions: { input: { viewer: at("./app/index.html"), studio: at("./app/studio.html"), brand: at("./app/brand.html"), docs: at("./app/docs.html"), mailbox: at("./app/mailbox.html") } },
  },
  server: {
    // `npm run dev` beside a running program: its API, sockets, event streams and media.
    proxy: Object.fromEntries(
      ["/api", "/whip", "/whep", "/ws", "/events"].map((path) => [path, { target: "http://127.0.0.1:8080", ws: path === "/ws" }]),
    ),
  },
});
