// What the page says while the server fails, and after the computer slept.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, dialogOf, dialogsSeen, ends, FORM, holdAnswers, isOnlyForChromium, logIn, openPage, press,
  setUp, settle, site, type, watchForDialogs, watching,
} from "./harness.mjs";

setUp();

test("asks a failing server again, less and less often", async () => {
  const page = await openPage(watching());
  site.isFailing = true;
  const asked = () => site.count("GET /session");
  await advance(61_000, page);
  const before = asked();
  await advance(120_000, page);
  assert.ok(asked() - before >= 5 && asked() - before <= 8, `${asked() - before} times in 2 minutes`);
  site.isFailing = false;
  await advance(60_000, page);
  const after = asked();
  await advance(50_000, page);
  assert.ok(asked() - after <= 6, "back to the usual pace");
});

test("keeps to the last known end, and does not claim it before the server does", async () => {
  const page = await openPage(watching());
  await advance(30_000, page);
  site.isFailing = true;
  await advance(209_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(2_000, page);
  assert.equal((await dialogOf(page)).clock, "0:59");
  await advance(100_000, page);
  const dialog = await dialogOf(page);
  assert.equal(dialog.clock, "0:00");
  assert.equal(dialog.trouble, "We cannot reach our server at the moment. We will keep trying.");
  assert.deepEqual(await ends(page), []);
  site.isFailing = false;
  await advance(60_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
});

test("a session that was extended meanwhile goes on after the failure", async () => {
  const page = await openPage(watching());
  await advance(200_000, page);
  await page.evaluate(() => fetch("/api"));
  site.isFailing = true;
  await advance(150_000, page);
  site.isFailing = false;
  await advance(60_000, page);
  assert.equal(await dialogOf(page), null);
  assert.deepEqual(await ends(page), []);
});

test("starts while the server fails", async () => {
  await logIn();
  site.isFailing = true;
  const page = await openPage(watching());
  await advance(10_000, page);
  assert.equal(await dialogOf(page), null);
  site.isFailing = false;
  await advance(10_000, page);
  await advance(220_000, page);
  assert.equal((await dialogOf(page)).clock, "1:00");
});

for (const how of ["press", "Escape"]) {
  test(`what was chosen is done when the server answers again (${how})`, async () => {
    const page = await openPage(watching());
    await advance(240_000, page);
    site.isFailing = true;
    if (how == "press") await press(page, "stay");
    else await type(page, "Escape");
    await advance(2_000, page);
    const dialog = await dialogOf(page);
    assert.match(dialog.trouble, /We cannot reach our server/);
    assert.match(dialog.clock, /^0:5/);
    site.isFailing = false;
    await advance(10_000, page);
    assert.equal(await dialogOf(page), null);
    assert.deepEqual(await ends(page), []);
    const posts = site.count("POST /session");
    await advance(60_000, page);
    assert.equal(site.count("POST /session"), posts, "and not again");
  });
}

test("does not claim to have signed out before the server has", async () => {
  const page = await openPage(watching());
  await advance(240_000, page);
  site.isFailing = true;
  await press(page, "leave");
  await advance(5_000, page);
  assert.deepEqual(await ends(page), []);
  assert.match((await dialogOf(page)).trouble, /We cannot reach our server/);
  site.isFailing = false;
  await advance(10_000, page);
  assert.deepEqual(await ends(page), ["revoked"]);
});

test("is offline for a minute", async () => {
  const page = await openPage(watching());
  await advance(200_000, page);
  await page.setOfflineMode(true);
  await advance(60_000, page);
  assert.equal((await dialogOf(page)).clock, "0:40");
  await page.setOfflineMode(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await settle(page);
  await press(page, "stay");
  assert.equal(await dialogOf(page), null);
  assert.deepEqual(await ends(page), []);
});

test("after a sleep that the clock counted, asks before it says anything", async () => {
  const page = await openPage(watching());
  await advance(30_000, page);
  await watchForDialogs(page);
  // It wakes up when, for all that the page knows, 30 s are left.
  await site.control("advance?ms=3600000");
  await page.evaluate(() => clock.sleep(240_000));
  site.isFailing = true;
  await page.evaluate(() => clock.step(0));
  await advance(10_000, page);
  assert.equal(await dialogOf(page), null, "it does not know");
  site.isFailing = false;
  await advance(20_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
  assert.deepEqual(await dialogsSeen(page), ["You have been signed out"]);
});

test("after a sleep that the clock did not count, asks before it says anything", async () => {
  const page = await openPage(watching());
  await advance(30_000, page);
  await watchForDialogs(page);
  await site.control("advance?ms=250000");
  await page.evaluate(() => document.dispatchEvent(new Event("resume")));
  await settle(page);
  assert.equal((await dialogOf(page)).clock, "0:20");
  await site.control("advance?ms=30000");
  site.isFailing = true;
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await advance(3_000, page);
  assert.equal((await dialogOf(page)).clock, "", "no time that may be wrong");
  site.isFailing = false;
  await advance(10_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
});

test("a question from before the sleep is no answer", async () => {
  const page = await openPage(watching(), { prepare: holdAnswers });
  await page.evaluate(async () => {
    hold();
    check();
    await new Promise((done) => setTimeout(done, 40));
  });
  await site.control("advance?ms=290000");
  site.isFailing = true;
  await page.evaluate(() => {
    clock.sleep(1);
    document.dispatchEvent(new Event("resume"));
    release();
  });
  await advance(250_000, page);
  assert.equal(await dialogOf(page), null, "it thinks that 50 s are left, and has its doubts");
  site.isFailing = false;
  await advance(60_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
});

test("a page that was frozen asks", { skip: isOnlyForChromium }, async () => {
  const page = await openPage(watching());
  const session = await page.createCDPSession();
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await site.control("end");
  const asked = site.count("GET /session");
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await page.bringToFront();
  await settle(page);
  assert.ok(site.count("GET /session") > asked);
  assert.deepEqual(await ends(page), ["revoked"]);
});

test("a page from the back/forward cache asks, and hears the other tabs again", async () => {
  const page = await openPage(watching("{ blank: true }"));
  site.pages.set("/elsewhere", FORM);
  await page.evaluate(() => {
    globalThis.isTheSame = true;
    const leave = () => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    const comeBack = () => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    Object.assign(globalThis, { leave, comeBack });
    leave();
  });
  await site.control("end");
  await page.evaluate(() => comeBack());
  await settle(page);
  assert.deepEqual(await ends(page), ["revoked"]);
  const open = await page.evaluate(() => {
    const other = new BroadcastChannel(`login-timeout${location.origin}/session`);
    other.postMessage({ state: "active", remainingMs: 1e6, age: 0 });
    return new Promise((done) => setTimeout(() => done(document.body.checkVisibility()), 50));
  });
  assert.equal(open, true);
});
