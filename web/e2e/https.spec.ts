// A second address of the same installation: `rialto serve` on 127.0.0.2, under a certificate of its own. A camera opens
// only on a page that the browser trusts, so going live there is what HTTPS is for.

import { execFileSync } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { Run, bareEnvironment, freeMedia, freeTCP, type Program } from "./fixtures/program";
import { expect, test } from "./fixtures/test";
import { addProduct, addShow, card, endShow, expectPicture, expectSound, goLive, pin, signUp } from "./fixtures/stage";

const HOST = "127.0.0.2";

test("a second address with its own certificate: a creator goes live over HTTPS there, and a viewer watches", async ({ house, launchOptions }) => {
  test.setTimeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "rialto-https-"));
  const certificate = makeCertificate(folder);
  const environment = await settings(house, certificate);
  const browser = await chromium.launch({
    ...launchOptions,
    // This one certificate is trusted, and no other: the page must be a secure context by its own merit.
    args: [...(launchOptions.args ?? []), `--ignore-certificate-errors-spki-list=${certificate.pin}`],
  });
  const node = new Run(["serve"], environment);
  try {
    const url = await node.ready();
    expect(url).toMatch(/^https:\/\/127\.0\.0\.2:\d+$/);
    const creator = await (await browser.newContext({ baseURL: url })).newPage();
    await creator.goto("/");
    expect(await creator.evaluate(() => isSecureContext)).toBe(true);
    await signUp(creator, "Nora");
    const cookies = await creator.context().cookies();
    expect(cookies.length).toBeGreaterThan(0);
    expect(cookies.filter(({ secure }) => !secure), "every cookie stays on HTTPS").toEqual([]);

    const show = await addShow(creator, "From the second address");
    await pin(creator, show, await addProduct(creator, show, { title: "Copper kettle", amount: 4900, stock: 2 }));
    await goLive(creator, show);
    const viewer = await (await browser.newContext({ baseURL: url })).newPage();
    const answered = viewer.waitForResponse((response) => response.url() === `${url}/whep/${show}` && response.status() === 201);
    await viewer.goto(`/s/${show}`);
    const candidates = (await (await answered).text()).match(/^a=candidate:.*$/gm) ?? [];
    expect(new Set(candidates.map((line) => line.split(" ")[4])), "video comes from the second address, too").toEqual(new Set([HOST]));
    await expectPicture(viewer, "over HTTPS");
    await expectSound(viewer);
    await expect(card(viewer, "Copper kettle").getByText("2 left"), "the room is joined over wss").toBeVisible();
    await pin(creator, show, null);
    await expect(card(viewer, "Copper kettle")).toBeHidden();
    await endShow(creator);
    await expect(viewer.getByRole("heading", { name: "This show has ended" })).toBeVisible();
  } finally {
    await browser.close();
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

interface Certificate {
  cert: string;
  key: string;
  /** SHA-256 of its public key, as Chromium takes it. */
  pin: string;
}

function makeCertificate(folder: string): Certificate {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-nodes", "-days", "2", "-subj", `/CN=${HOST}`, "-addext", `subjectAltName=IP:${HOST}`, "-keyout", key, "-out", cert], { stdio: "pipe" });
  const publicKey = new X509Certificate(readFileSync(cert)).publicKey.export({ type: "spki", format: "der" });
  return { cert, key, pin: createHash("sha256").update(publicKey).digest("base64") };
}

async function settings(house: Program, certificate: Certificate): Promise<NodeJS.ProcessEnv> {
  const { database, redis } = house.stores;
  const listen = `${HOST}:${await freeTCP(HOST)}`;
  return {
    ...bareEnvironment,
    DATABASE_URL: database,
    REDIS_URL: redis,
    RIALTO_SECRET: house.secret,
    PUBLIC_URL: `https://${listen}`,
    LISTEN: listen,
    ADMIN_LISTEN: `127.0.0.1:${await freeTCP()}`,
    MEDIA_PUBLIC_IP: HOST,
    MEDIA_PORT: String(await freeMedia()),
    TLS_CERT: certificate.cert,
    TLS_KEY: certificate.key,
  };
}
