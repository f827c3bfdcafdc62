// The warning: when it comes, what it says, and what becomes of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, dialogOf, dialogsSeen, ends, isOnlyForChromium, openPage, press, setUp, settle, site, type,
  watchForDialogs, watching,
} from "./harness.mjs";

setUp();

test("warns when the server's time before the end has come, and not earlier", async () => {
  const page = await openPage(watching());
  await advance(239_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(1_000, page);
  const dialog = await dialogOf(page);
  assert.equal(dialog.title, "You will be signed out soon");
  assert.equal(dialog.clock, "1:00");
  assert.deepEqual(dialog.buttons, ["stay", "leave"]);
  await advance(15_000, page);
  assert.equal((await dialogOf(page)).clock, "0:45");
});

test("warns earlier if the page wants it", async () => {
  const page = await openPage(watching("{ warnBefore: 120_000 }"));
  await advance(179_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(1_000, page);
  const dialog = await dialogOf(page);
  assert.equal(dialog.clock, "2:00");
  assert.equal(dialog.live, "Time left: 2 minutes");
});

test("never warns less than 20 s ahead", async () => {
  const page = await openPage(watching("{ warnBefore: 5_000 }"));
  await advance(279_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(1_000, page);
  assert.equal((await dialogOf(page)).clock, "0:20");
});

test("a short session is not one long warning", async () => {
  await site.reset("idle=45000&warn=60000");
  const page = await openPage(watching());
  await advance(22_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(1_000, page);
  assert.equal((await dialogOf(page)).clock, "0:22");
  await press(page, "stay");
  assert.equal(await dialogOf(page), null);
});

test("is never late, however long an answer takes", async () => {
  const slow = () => {
    const quick = fetch;
    globalThis.fetch = async (...input) => {
      const answer = await quick(...input);
      // The time passes on both sides after the server has answered.
      clock.sleep(3_000);
      await quick("/control/advance?ms=3000", { method: "POST" });
      return answer;
    };
  };
  const page = await openPage(watching(), { prepare: slow });
  await advance(240_000, page);
  const { clock } = await dialogOf(page);
  const answer = await page.evaluate(() => fetch("/session").then((response) => response.json()));
  const shown = +clock.slice(0, 1) * 60_000 + +clock.slice(2) * 1_000;
  assert.ok(shown <= answer.remainingMs + 1_000, `${clock}, but ${answer.remainingMs} ms are left`);
  assert.ok(shown > 40_000, clock);
});

test("does not care what the browser's wall clock says", async () => {
  const wrong = () => {
    const now = Date.now;
    globalThis.wallClockIsOff = 3_600_000;
    Date.now = () => now() + wallClockIsOff;
  };
  const page = await openPage(watching(), { prepare: wrong });
  await advance(120_000, page);
  await page.evaluate(() => (wallClockIsOff = -7_200_000));
  await advance(119_000, page);
  assert.equal(await dialogOf(page), null);
  await advance(1_000, page);
  assert.equal((await dialogOf(page)).clock, "1:00");
});

test("requests of the page put the warning off, the module's own questions do not", async () => {
  const page = await openPage(watching());
  await watchForDialogs(page);
  await advance(200_000, page);
  await page.evaluate(() => fetch("/api"));
  await advance(239_000, page);
  assert.deepEqual(await dialogsSeen(page), [], "not even for a moment");
  await advance(1_000, page);
  assert.equal((await dialogOf(page)).clock, "1:00");
  assert.ok(site.count("GET /session") > 5);
  assert.equal(site.count("POST /session"), 0);
});

test("a request that extends the session closes the warning", async () => {
  const page = await openPage(watching());
  await advance(245_000, page);
  assert.ok(await dialogOf(page));
  await page.evaluate(() => fetch("/api"));
  await advance(10_000, page);
  assert.equal(await dialogOf(page), null);
});

test("extends the session ten times in a row", async () => {
  const page = await openPage(watching());
  for (let time = 1; time <= 10; time++) {
    await advance(250_000, page);
    assert.equal((await dialogOf(page)).clock, "0:50");
    await press(page, "stay");
    assert.equal(await dialogOf(page), null);
    assert.equal(site.count("POST /session"), time);
  }
  assert.deepEqual(await ends(page), []);
});

for (const [name, key] of Object.entries({ Enter: "Enter", Escape: "Escape", Space: " " })) {
  test(`${name} keeps the session, and gives the focus back`, async () => {
    const page = await openPage(watching());
    await page.focus("#text");
    await page.keyboard.type("Dear");
    await advance(240_000, page);
    assert.equal((await dialogOf(page)).focus, "stay");
    await type(page, key);
    assert.equal(await dialogOf(page), null);
    assert.equal(site.count("POST /session"), 1);
    await page.keyboard.type(" all");
    assert.equal(await page.$eval("#text", (text) => text.value), "Dear all");
    await advance(239_000, page);
    assert.equal(await dialogOf(page), null);
  });
}

test("Escape twice keeps the session, too", async () => {
  const page = await openPage(watching());
  await advance(240_000, page);
  await type(page, "Escape");
  await advance(240_000, page);
  await type(page, "Escape");
  assert.equal(await dialogOf(page), null);
  assert.equal(site.count("POST /session"), 2);
});

test("holds the focus", async () => {
  const page = await openPage(watching());
  await page.focus("#text");
  await advance(240_000, page);
  for (let count = 0; count < 5; count++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => document.activeElement.localName);
    assert.notEqual(focused, "textarea");
  }
  await page.keyboard.type("x");
  assert.equal(await page.$eval("#text", (text) => text.value), "");
});

test("signs out", async () => {
  const page = await openPage(watching());
  await advance(240_000, page);
  await press(page, "leave");
  assert.equal(site.count("DELETE /session"), 1);
  assert.deepEqual(await ends(page), ["revoked"]);
  const dialog = await dialogOf(page);
  assert.equal(dialog.title, "You have been signed out");
  assert.equal(dialog.text, "Please sign in again to continue.");
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
});

test("announces the time at 60, 30 and 10 s, and not each second", async () => {
  const page = await openPage(watching("{ warnBefore: 90_000 }"));
  await advance(210_000, page);
  await page.evaluate(() => {
    globalThis.heard = [];
    const { shadowRoot } = document.querySelector("login-timeout");
    const regions = shadowRoot.querySelectorAll("[aria-live]");
    const hear = (records) => heard.push(...records.map(({ target }) => target.textContent));
    const changes = { childList: true, characterData: true, subtree: true };
    for (const region of regions) new MutationObserver(hear).observe(region, changes);
  });
  assert.equal((await dialogOf(page)).live, "Time left: 90 seconds");
  await advance(89_000, page);
  assert.equal((await dialogOf(page)).clock, "0:01");
  assert.deepEqual(await page.evaluate(() => [...new Set(heard)]), [
    "Time left: 60 seconds",
    "Time left: 30 seconds",
    "Time left: 10 seconds",
  ]);
});

const skip = isOnlyForChromium;
test("tells assistive technology what it is, and hides the ticking clock from it", { skip }, async () => {
  const page = await openPage(watching());
  await advance(240_000, page);
  const session = await page.createCDPSession();
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const dialog = nodes.find(({ role }) => role?.value == "dialog");
  assert.equal(dialog.name.value, "You will be signed out soon");
  assert.match(dialog.description.value, /stay signed in\? Time left: 60 seconds$/);
  assert.equal(dialog.properties.find(({ name }) => name == "modal").value.value, true);
  const said = nodes.filter(({ ignored }) => !ignored).map(({ name }) => name?.value);
  assert.ok(said.includes("Stay signed in"));
  assert.deepEqual(said.filter((name) => name?.includes("1:00")), []);
  const live = nodes.find(({ properties }) => properties?.some(({ name }) => name == "live"));
  assert.equal(live.properties.find(({ name }) => name == "live").value.value, "polite");
});

test("says so when the absolute limit ends the session, and offers no extension", async () => {
  await site.reset("absolute=200000");
  const page = await openPage(watching());
  await advance(140_000, page);
  const dialog = await dialogOf(page);
  assert.match(dialog.text, /the time for one visit is limited and cannot be extended/);
  assert.deepEqual(dialog.buttons, ["ok", "leave"]);
  await type(page, "Escape");
  await advance(59_000, page);
  assert.equal(await dialogOf(page), null, "it was read");
  assert.equal(site.count("POST /session"), 0);
  await advance(2_000, page);
  assert.deepEqual(await ends(page), ["absolute"]);
  assert.match((await dialogOf(page)).text, /because the time for one visit is limited/);
});

test("goes over to the absolute limit where an extension reaches it", async () => {
  await site.reset("absolute=310000");
  const page = await openPage(watching());
  await advance(250_000, page);
  assert.deepEqual((await dialogOf(page)).buttons, ["stay", "leave"]);
  await press(page, "stay");
  const dialog = await dialogOf(page);
  assert.deepEqual(dialog.buttons, ["ok", "leave"]);
  assert.equal(dialog.clock, "1:00");
});

test("a session without limits is not warned of", async () => {
  const endless = () => {
    const real = fetch;
    const body = JSON.stringify({ state: "active", remainingMs: null, idleMs: null });
    globalThis.fetch = async (address) => (await real(address), new Response(body));
  };
  const page = await openPage(watching(), { prepare: endless });
  await advance(4_000_000, page);
  assert.equal(await dialogOf(page), null);
  await settle(page);
});
