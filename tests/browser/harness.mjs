// Pages in a browser whose clock the test moves, together with the server's.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import puppeteer from "puppeteer-core";
import { startSite } from "./site.mjs";

export let site, browser, context;

const BROWSERS = {
  chromium: {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--lang=en-US"],
  },
  firefox: {
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    extraPrefsFirefox: { "intl.accept_languages": "en-US" },
  },
};
const { LOGIN_TIMEOUT_BROWSER: name = "chromium" } = process.env;

// For `skip`: the reason, or false.
export const isOnlyForChromium = name != "chromium" && "only Chromium has the command that it needs";

// Call this once in each file of tests.
export function setUp() {
  before(async () => {
    site = await startSite();
    browser = await puppeteer.launch({
      ...BROWSERS[name],
      headless: true,
      protocolTimeout: 30_000,
    });
  });
  beforeEach(async () => {
    await site.reset();
    context = await browser.createBrowserContext();
  });
  afterEach(async () => {
    const seen = await Promise.all((await context.pages()).map((page) => {
      return page.evaluate(() => globalThis.violations ?? []);
    }));
    await context.close();
    const violations = [...site.violations, ...seen.flat()];
    assert.deepEqual(violations, [], "violations of the Content-Security-Policy");
  });
  after(async () => {
    await browser.close();
    site.close();
  });
}

export const FORM = `<main><h1>Transfer</h1><label>Text <textarea id="text"></textarea></label></main>`;

// Opens a page that runs `script` as a module. Its clock stands still until `advance` moves it.
export async function openPage(script, settings = {}) {
  const { html = FORM, lang = "en", head = "", isLoggedIn = true } = settings;
  const { prepare, isReal, hasPolicy = true } = settings;
  const path = `/page${site.pages.size}`;
  site.pages.set(`${path}.js`, script ?? "");
  site.pages.set(
    path,
    `<!doctype html><html lang="${lang}"><title>Test</title>
     <meta name="viewport" content="width=device-width">${head}
     <script type="module" src="${path}.js"></script><body>${html}`,
  );
  if (!hasPolicy) site.free.add(path);
  const page = await openTab({ prepare, isReal });
  if (isLoggedIn && !(await context.cookies()).some((cookie) => cookie.name == "sid")) await logIn();
  await page.goto(site.url + path);
  await settle(page);
  return page;
}

// Opens an empty tab, whose pages have a clock that stands still.
export async function openTab({ prepare, isReal } = {}) {
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => {
      violations.push(`${event.violatedDirective}: ${event.sample || event.blockedURI}`);
    });
  });
  if (!isReal) await page.evaluateOnNewDocument(fakeClock);
  if (prepare) await page.evaluateOnNewDocument(prepare);
  return page;
}

export function watching(options = "{}") {
  return `import { watch, check, loginTimeoutFetch } from "/session/login-timeout.js";
    globalThis.ends = [];
    document.addEventListener("logintimeout", (event) => ends.push(event.detail.reason));
    Object.assign(globalThis, { watch, check, loginTimeoutFetch });
    globalThis.stop = watch(${options});`;
}

// As a log-in in a tab that does not run the module.
export async function logIn() {
  const answer = await fetch(`${site.url}/login`, { method: "POST" });
  const [, value] = /sid=([^;]*)/.exec(answer.headers.get("set-cookie"));
  const { hostname } = new URL(site.url);
  await context.setCookie({ name: "sid", value, domain: hostname, path: "/", httpOnly: true });
}

// Moves the clocks of the server and of these pages, from timer to timer.
export async function advance(ms, ...pages) {
  while (ms > 0) {
    const waits = await Promise.all(pages.map((page) => page.evaluate(() => clock.untilNext())));
    const step = Math.max(1, Math.min(ms, ...waits));
    await site.control(`advance?ms=${step}`);
    await Promise.all(pages.map((page) => page.evaluate((step) => clock.step(step), step)));
    await settle(...pages);
    ms -= step;
  }
}

// Waits until no page asks anything any more.
export async function settle(...pages) {
  for (const page of pages) {
    if (await page.evaluate(() => !globalThis.clock)) continue;
    await page.evaluate(() => clock.settled());
  }
}

export async function dialogOf(page) {
  return page.evaluate(() => {
    const root = document.querySelector("login-timeout")?.shadowRoot;
    const dialog = root?.querySelector("dialog[open]");
    if (!dialog) return null;
    const words = (part) => root.querySelector(`[part=${part}]`)?.textContent;
    return {
      title: words("title"),
      text: words("text"),
      clock: /^Time left: (\d+:\d\d)$/.exec(words("clock"))?.[1] ?? words("clock"),
      live: words("live"),
      trouble: words("trouble"),
      buttons: [...root.querySelectorAll("button")].map((button) => button.part.value),
      focus: root.activeElement?.part.value,
      lang: dialog.lang,
      dir: dialog.dir,
    };
  });
}

export async function press(page, part) {
  await page.locator(`login-timeout >>> [part=${part}]`).click();
  await settle(page);
}

export async function type(page, key) {
  await page.keyboard.press(key);
  await settle(page);
}

export const ends = (page) => page.evaluate(() => globalThis.ends);

// Notes each dialog, however short it is there.
export async function watchForDialogs(page) {
  await page.evaluate(() => {
    globalThis.seen = [];
    const { showModal } = HTMLDialogElement.prototype;
    HTMLDialogElement.prototype.showModal = function () {
      seen.push(this.querySelector("h2").textContent);
      showModal.call(this);
    };
  });
}

export const dialogsSeen = (page) => page.evaluate(() => seen);

// For `prepare`: between `hold` and `release`, answers come from the server and no further.
export function holdAnswers() {
  const quick = fetch;
  let gate;
  globalThis.hold = () => (gate = new Promise((open) => (globalThis.release = open)));
  globalThis.fetch = async (...input) => {
    const answer = await quick(...input);
    await gate;
    return answer;
  };
}

function fakeClock() {
  const real = {
    setTimeout: setTimeout.bind(window),
    clearTimeout: clearTimeout.bind(window),
    fetch: fetch.bind(window),
  };
  const timers = new Map();
  let time = 10_000;
  let lastId = 0;
  let underWay = 0;
  performance.now = () => time;
  window.setTimeout = (task, ms = 0, ...values) => {
    // Short waits are for other tabs. They are as they are.
    if (ms <= 50) return -real.setTimeout(task, ms, ...values);
    timers.set(++lastId, { task: () => task(...values), dueAt: time + ms });
    return lastId;
  };
  window.clearTimeout = (id) => (id < 0 ? real.clearTimeout(-id) : timers.delete(id));
  window.fetch = (...input) => {
    underWay++;
    return real.fetch(...input).finally(() => underWay--);
  };
  const rest = (ms) => new Promise((done) => real.setTimeout(done, ms));
  globalThis.clock = {
    untilNext: () => Math.min(...[...timers.values()].map(({ dueAt }) => dueAt - time), 1e9),
    step(ms) {
      time += ms;
      for (const [id, { task, dueAt }] of timers) {
        if (dueAt <= time) timers.delete(id), task();
      }
    },
    // The time passes, and no timer fires: the computer sleeps. Perhaps this clock sleeps as well.
    sleep(ms) {
      time += ms;
    },
    async settled() {
      for (let calm = 0; calm < 2; ) {
        await rest(3);
        const { held, pending } = (await navigator.locks?.query()) ?? { held: [], pending: [] };
        if (underWay || held.length || pending.length) calm = 0;
        else calm++;
      }
    },
  };
}
