// Several tabs of one browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, dialogOf, ends, holdAnswers, logIn, openPage, press, setUp, settle, site, type, watching,
} from "./harness.mjs";

setUp();

async function openTabs(count, options, settings) {
  const tabs = [];
  for (let each = 0; each < count; each++) tabs.push(await openPage(watching(options), settings));
  return tabs;
}

test("one asks, and all know", async () => {
  const tabs = await openTabs(3);
  await advance(500, ...tabs);
  const asked = site.count("GET /session");
  await advance(60_500, ...tabs);
  assert.equal(site.count("GET /session") - asked, 1);
  await site.control("end");
  await advance(60_500, ...tabs);
  assert.equal(site.count("GET /session") - asked, 2);
  for (const tab of tabs) assert.deepEqual(await ends(tab), ["revoked"]);
});

test("all warn, and an answer in one closes it in all", async () => {
  const tabs = await openTabs(3);
  await advance(239_000, ...tabs);
  const asked = site.count("GET /session");
  await advance(6_000, ...tabs);
  assert.equal(site.count("GET /session") - asked, 1);
  for (const tab of tabs) assert.equal((await dialogOf(tab)).clock, "0:55");
  await tabs[1].bringToFront();
  await press(tabs[1], "stay");
  await settle(...tabs);
  for (const tab of tabs) assert.equal(await dialogOf(tab), null);
  assert.equal(site.count("POST /session"), 1);
  await advance(239_000, ...tabs);
  for (const tab of tabs) assert.equal(await dialogOf(tab), null);
});

test("a warning of the absolute limit that was read in one tab closes in all", async () => {
  await site.reset("absolute=200000");
  const tabs = await openTabs(2);
  await advance(150_000, ...tabs);
  for (const tab of tabs) assert.deepEqual((await dialogOf(tab)).buttons, ["ok", "leave"]);
  await type(tabs[1], "Enter");
  await advance(10_000, ...tabs);
  for (const tab of tabs) assert.equal(await dialogOf(tab), null);
});

test("a sign-out in one ends it in all", async () => {
  const tabs = await openTabs(2, "{ blank: true }");
  await advance(250_000, ...tabs);
  await press(tabs[1], "leave");
  await settle(...tabs);
  for (const tab of tabs) {
    assert.deepEqual(await ends(tab), ["revoked"]);
    assert.equal(await tab.evaluate(() => document.body.checkVisibility()), false);
  }
});

test("a log-in in one lets the others go on, with what they wanted to send", async () => {
  const [tab] = await openTabs(1, "{ blank: true, wrap: true }");
  await site.control("end");
  await tab.evaluate(() => {
    globalThis.saved = fetch("/api", { method: "POST", body: "Dear all" });
  });
  await settle(tab);
  assert.deepEqual(await ends(tab), ["revoked"]);
  await logIn();
  await openTabs(1);
  await settle(tab);
  const { body } = await tab.evaluate(async () => (await saved).json());
  assert.equal(body, "Dear all");
  assert.equal(await dialogOf(tab), null);
  assert.equal(await tab.evaluate(() => document.body.checkVisibility()), true);
});

test("activity in one counts for all, and is reported once", async () => {
  const tabs = await openTabs(2, "{ activity: true }");
  await advance(1_000, ...tabs);
  for (const tab of tabs) {
    await tab.bringToFront();
    await tab.keyboard.type("x");
    await advance(1_000, ...tabs);
  }
  assert.equal(site.count("POST /session"), 1);
});

test("what waited for a frozen tab is not news", async () => {
  const tab = await openPage(watching(), { prepare: holdAnswers });
  await advance(10_000, tab);
  await site.control("advance?ms=250000");
  await tab.evaluate(async () => {
    hold();
    document.dispatchEvent(new Event("resume"));
    await new Promise((done) => setTimeout(done, 20));
    clock.sleep(1);
    const other = new BroadcastChannel(`login-timeout${location.origin}/session`);
    other.postMessage({ state: "active", remainingMs: 300_000, absoluteRemainingMs: null, age: 0 });
    await new Promise((done) => setTimeout(done, 40));
    release();
  });
  await settle(tab);
  assert.equal((await dialogOf(tab)).clock, "0:40");
});

for (const missing of ["BroadcastChannel", "navigator.locks", "both"]) {
  test(`goes without: ${missing}`, async () => {
    const remove = {
      BroadcastChannel: () => delete globalThis.BroadcastChannel,
      "navigator.locks": () => Object.defineProperty(navigator, "locks", { value: undefined }),
      both: () => {
        delete globalThis.BroadcastChannel;
        Object.defineProperty(navigator, "locks", { value: undefined });
      },
    }[missing];
    const tabs = await openTabs(2, "{}", { prepare: remove });
    await advance(245_000, ...tabs);
    for (const tab of tabs) assert.ok(await dialogOf(tab));
    await press(tabs[1], "stay");
    await advance(12_000, ...tabs);
    for (const tab of tabs) assert.equal(await dialogOf(tab), null);
    await advance(300_000, ...tabs);
    for (const tab of tabs) assert.deepEqual(await ends(tab), ["idle"]);
    for (const tab of tabs) assert.deepEqual(tab.errors, []);
  });
}

test("a tab that holds the lock for ever does not stop the others", async () => {
  const stuck = await openPage("");
  await stuck.evaluate(() => {
    navigator.locks.request(`login-timeout${location.origin}/session`, () => new Promise(() => {}));
  });
  const tab = await openPage(watching(), { isReal: true });
  for (let tries = 0; tries < 150 && !site.count("GET /session"); tries++) {
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.equal(site.count("GET /session"), 1);
  assert.deepEqual(tab.errors, []);
});
