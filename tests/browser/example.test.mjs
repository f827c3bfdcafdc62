// The example `browser`, from the log-in to the end and on. Only its own site can play it.
//
// Pictures of it go to `screenshots/`. Two of them are in `docs/pictures`.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { advance, context, dialogOf, openTab, press, setUp, settle, site } from "./harness.mjs";

const isThere = process.env.LOGIN_TIMEOUT_SITE == "example";
const skip = isThere ? false : "it needs the example that tests/browser.rs starts";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = new URL("screenshots/", import.meta.url);
mkdirSync(PICTURES, { recursive: true });

const TEXT = "Deep draught, please come alongside at slack water.";
const PASSWORD = "harbour";

setUp();

// Signs in by the form, which needs no script.
async function enter(name = "Ada") {
  const tab = await openTab();
  await tab.setViewport({ width: 1200, height: 800 });
  await tab.goto(`${site.url}/`);
  assert.equal(new URL(tab.url()).pathname, "/login");
  await tab.type("[name=name]", name);
  await tab.type("[name=password]", PASSWORD);
  await Promise.all([tab.waitForNavigation(), tab.click("button")]);
  assert.equal(new URL(tab.url()).pathname, "/");
  await settle(tab);
  return tab;
}

const words = (tab, selector) => tab.$eval(selector, (element) => element.textContent.trim());
const value = (tab, selector) => tab.$eval(selector, (element) => element.value);
const isOpen = (tab) => tab.$eval("#again", (dialog) => dialog.open);
const posts = () => site.count("POST /notices");

// What comes from the stream, or after an answer, comes when it comes.
const until = (tab, condition) => tab.waitForFunction(condition, { polling: 20 });

async function picture(tab, name) {
  await tab.screenshot({ path: new URL(`example-${name}.png`, PICTURES).pathname });
}

async function hasNoFindings(tab) {
  await tab.evaluate(AXE);
  const { violations } = await tab.evaluate(() => axe.run(document));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
  const { scrollWidth, clientWidth } = await tab.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  assert.ok(scrollWidth <= clientWidth, `${scrollWidth} > ${clientWidth}: it scrolls sideways`);
}

async function write(tab) {
  await tab.type("[name=ship]", "Stella");
  await tab.type("[name=remarks]", TEXT);
  await settle(tab);
}

// Whichever notices the end first: the module offers to sign in, and a poll asks for it.
async function startSigningIn(tab) {
  await until(tab, `document.querySelector("#again[open]") || document.querySelector("login-timeout")`);
  if (await dialogOf(tab)) await press(tab, "login");
  assert.ok(await isOpen(tab));
}

async function signInAgain(tab, password = PASSWORD) {
  assert.equal(await value(tab, "#again [name=name]"), "Ada <b>");
  await tab.type("#again [name=password]", password);
  await tab.keyboard.press("Enter");
}

test("a form is typed, the session ends, and after a log-in the form is sent", { skip }, async () => {
  const tab = await enter("Ada <b>");
  await until(tab, `document.querySelector("#radio li")`);
  await write(tab);
  await advance(46_000, tab);
  await until(tab, `document.querySelector("#radio").textContent.includes("The stream has ended: idle.")`);

  // Not now, since the text is to be copied. Then it is sent all the same.
  await startSigningIn(tab);
  await tab.click("#later");
  await settle(tab);
  assert.deepEqual((await dialogOf(tab)).buttons, ["login", "ok"]);
  await picture(tab, "end");
  await hasNoFindings(tab);
  await press(tab, "ok");
  await advance(10_000, tab);
  assert.equal(await isOpen(tab), false, "the polls do not ask to sign in");
  assert.equal(await value(tab, "[name=remarks]"), TEXT);
  await tab.click("#notice button");
  await until(tab, `document.querySelector("#again").open`);
  assert.equal(posts(), 1);
  await picture(tab, "again");
  await hasNoFindings(tab);

  await signInAgain(tab, "wrong");
  await until(tab, `document.querySelector("#wrong").textContent`);
  assert.equal(posts(), 1);
  await tab.$eval("#again [name=password]", (field) => (field.value = ""));
  await signInAgain(tab);
  await until(tab, `document.querySelector("#saved").textContent`);
  const saved = `Notice 1 is saved: Stella, with ${TEXT.length} characters of remarks.`;
  assert.equal(await words(tab, "#saved"), saved);
  assert.equal(posts(), 2);
  assert.equal(await isOpen(tab), false);
  assert.equal(await value(tab, "[name=remarks]"), TEXT);
  await settle(tab);
  assert.equal(await dialogOf(tab), null);

  // The table and the stream go on.
  await advance(4_000, tab);
  await until(tab, `document.querySelector("#radio li").textContent.startsWith("Aurora")`);
  assert.match(await words(tab, "#left"), /^4\d$/);
  assert.deepEqual(tab.errors, []);
});

test("polls and the stream do not extend, the dialog and the fragment do", { skip }, async () => {
  const tab = await enter();
  await advance(21_000, tab);
  assert.equal(site.count("GET /berths"), 7);
  assert.equal(await words(tab, "#left"), "24");
  await advance(2_000, tab);
  assert.equal((await dialogOf(tab)).clock, "0:22");
  await picture(tab, "warning");
  await hasNoFindings(tab);
  await press(tab, "stay");
  assert.equal(await dialogOf(tab), null);

  await advance(20_000, tab);
  await tab.click("[data-into]");
  await until(tab, `document.querySelector("#tide").textContent.includes("High water")`);
  await settle(tab);
  await advance(20_000, tab);
  assert.equal(await dialogOf(tab), null);
  await advance(3_000, tab);
  assert.ok(await dialogOf(tab));
});

test("a log-out in one tab ends the other, and a log-in there lets it go on", { skip }, async () => {
  const tab = await enter();
  await write(tab);
  const other = await enterSecond();
  await Promise.all([other.waitForNavigation(), other.click("header button")]);
  await tab.bringToFront();
  await advance(4_000, tab);
  await startSigningIn(tab);
  await tab.evaluate(() => (globalThis.isTheSame = true));

  await other.bringToFront();
  await other.type("[name=name]", "Ada");
  await other.type("[name=password]", PASSWORD);
  await Promise.all([other.waitForNavigation(), other.click("button")]);
  await settle(other);
  await tab.bringToFront();
  await tab.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await until(tab, `!document.querySelector("#again").open`);
  await settle(tab);
  assert.equal(await dialogOf(tab), null);
  assert.equal(await value(tab, "[name=remarks]"), TEXT);
  assert.ok(await tab.evaluate("isTheSame"), "the page was not loaded again");

  async function enterSecond() {
    const second = await openTab();
    await second.goto(`${site.url}/`);
    await settle(second);
    return second;
  }
});

test("without scripts, a form of an ended session leads to the log-in", { skip }, async () => {
  const tab = await openTab();
  await tab.setJavaScriptEnabled(false);
  await tab.goto(`${site.url}/login`);
  assert.match(await words(tab, "main"), /signed out after 45 seconds without activity/);
  await tab.type("[name=name]", "Ada");
  await tab.type("[name=password]", PASSWORD);
  await Promise.all([tab.waitForNavigation(), tab.click("button")]);
  await tab.type("[name=ship]", "Stella");
  await Promise.all([tab.waitForNavigation(), tab.click("#notice button")]);
  assert.match(await words(tab, "#saved"), /^Notice 1 is saved: Stella/);
  await tab.type("[name=ship]", "Stella");
  await site.control("advance?ms=46000");
  const [answer] = await Promise.all([tab.waitForNavigation(), tab.click("#notice button")]);
  assert.equal(answer.status(), 440);
  const link = await tab.$eval("a", (link) => link.getAttribute("href"));
  assert.ok(link.startsWith("/login"), link);
  await tab.goto(`${site.url}/`);
  assert.equal(new URL(tab.url()).pathname, "/login");
});

const surroundings = {
  docs: { width: 800, height: 480 },
  "docs-dark": { width: 800, height: 480, scheme: "dark" },
  light: { width: 1200, height: 800 },
  dark: { width: 1200, height: 800, scheme: "dark" },
  "320-px": { width: 320, height: 640 },
  "320-px-dark": { width: 320, height: 640, scheme: "dark" },
};
for (const [name, { scheme = "light", ...viewport }] of Object.entries(surroundings)) {
  test(`its pages in this surrounding: ${name}`, { skip }, async () => {
    const tab = await enter();
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await tab.setViewport(viewport);
    await write(tab);
    await hasNoFindings(tab);
    await tab.screenshot({
      path: new URL(`example-page-${name}.png`, PICTURES).pathname,
      fullPage: true,
    });
    await advance(23_000, tab);
    assert.ok(await dialogOf(tab));
    await hasNoFindings(tab);
    await picture(tab, `warning-${name}`);
    await advance(24_000, tab);
    await startSigningIn(tab);
    await hasNoFindings(tab);
    await picture(tab, `again-${name}`);

    await context.deleteCookie(...(await context.cookies()));
    await tab.goto(`${site.url}/login`);
    await hasNoFindings(tab);
    await picture(tab, `login-${name}`);
  });
}
