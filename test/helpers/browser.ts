import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Chromium from the system, which asks nobody for anything by itself. @throws Error when there is none */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM))
    throw new Error(
      `There is no ${CHROMIUM}. Install it (apt-get install chromium), or say in CHROMIUM where one is.`,
    );
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** What the page complained about: errors, in the console or not, and what its policy refused. */
  complaints: string[];
  /** Every origin that the page asked for something. */
  origins: Set<string>;
}

/** A page in a context of its own, watched. */
export async function visit(
  browser: Browser,
  url: string,
  viewport = { width: 1440, height: 900 },
): Promise<Visit> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  context.on("request", (request) => {
    if (!request.url().startsWith("data:")) origins.add(new URL(request.url()).origin);
  });
  await page.addInitScript(`document.addEventListener("securitypolicyviolation", (event) =>
    console.error("refused by the policy: " + event.violatedDirective + " " + event.blockedURI))`);
  await page.goto(url);
  return { page, context, complaints, origins };
}

/** Pictures of pages are kept here, if it is set. */
const PICTURES = process.env.E2E_PICTURES;

export async function picture(page: Page, name: string): Promise<void> {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name.replaceAll(" ", "-")}.png`) });
}
