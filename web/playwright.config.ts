import { existsSync } from "node:fs";
import { defineConfig, devices } from "@playwright/test";

// The system's browser: Playwright's own download is not needed, and not available everywhere.
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const browserFlags = [
  "--no-sandbox",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  // Two ends in one machine find each other by address; names made up per page need a resolver that is not there.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  forbidOnly: true,
  fullyParallel: false,
  // A browser that sends video takes a core for itself.
  workers: 1,
  // A check of four hundred walks on a shared machine: one that fails is walked once more, and is named as flaky in the verdict. By hand, none is.
  retries: process.env.CI ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    ...devices["Desktop Chrome"],
    launchOptions: { executablePath: existsSync(chromium) ? chromium : undefined, args: browserFlags },
    trace: "off",
  },
});
