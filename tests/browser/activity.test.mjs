// What counts as activity.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, dialogOf, dialogsSeen, ends, openPage, setUp, settle, site, watchForDialogs, watching,
} from "./harness.mjs";

setUp();

const posts = () => site.count("POST /session");

test("counts where it is asked for, and is reported at most once in `touchEvery`", async () => {
  const page = await openPage(watching("{ activity: true, touchEvery: 20_000 }"));
  await advance(1_000, page);
  for (let second = 0; second < 60; second++) {
    await page.keyboard.type("x");
    await advance(1_000, page);
  }
  assert.ok(posts() >= 3 && posts() <= 4, `${posts()} reports in a minute`);
  await advance(230_000, page);
  assert.equal(await dialogOf(page), null);
});

test("is not reported with the questions that are asked each minute", async () => {
  const page = await openPage(watching("{ activity: true, touchEvery: 200_000 }"));
  await advance(1_000, page);
  for (let time = 0; time < 190_000; time += 10_000) {
    await page.keyboard.type("x");
    await advance(10_000, page);
  }
  assert.equal(posts(), 1);
  assert.ok(site.count("GET /session") >= 3);
});

test("the last keys before a pause count, too", async () => {
  const page = await openPage(watching("{ activity: true }"));
  await advance(1_000, page);
  await page.keyboard.type("x");
  await advance(20_000, page);
  await page.keyboard.type("x");
  await advance(15_000, page);
  assert.equal(posts(), 2);
});

test("somebody who types is not warned, even if `touchEvery` is too long", async () => {
  const page = await openPage(watching("{ activity: true, touchEvery: 3_600_000 }"));
  await advance(1_000, page);
  await page.keyboard.type("x");
  await advance(100_000, page);
  await page.keyboard.type("x");
  await watchForDialogs(page);
  await advance(137_000, page);
  await page.evaluate(() => check());
  await advance(63_000, page);
  assert.deepEqual(await dialogsSeen(page), []);
});

test("does not count where it is not asked for", async () => {
  const page = await openPage(watching());
  await page.keyboard.type("x");
  await page.mouse.click(5, 5);
  await advance(240_000, page);
  assert.equal(posts(), 0);
  assert.ok(await dialogOf(page));
});

const ways = {
  "a key": (page) => page.keyboard.press("a"),
  "a click": (page) => page.mouse.click(5, 5),
  "the wheel": (page) => page.mouse.wheel({ deltaY: 10 }),
  "a touch": (page) => page.touchscreen.tap(5, 5),
};
for (const [name, act] of Object.entries(ways)) {
  test(`${name} counts`, async () => {
    const page = await openPage(watching("{ activity: true }"));
    await advance(1_000, page);
    await act(page);
    await new Promise((done) => setTimeout(done, 50));
    await settle(page);
    assert.equal(posts(), 1);
  });
}

test("what scripts do does not count", async () => {
  const page = await openPage(watching("{ activity: true }"));
  await advance(1_000, page);
  await page.evaluate(async () => {
    document.body.append(Object.assign(document.createElement("p"), { id: "tall" }));
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("#tall { height: 3000px }");
    document.adoptedStyleSheets.push(sheet);
    scrollTo(0, 900);
    text.scrollIntoView();
    for (const Type of [KeyboardEvent, PointerEvent, WheelEvent]) {
      for (const type of ["keydown", "pointerdown", "wheel", "touchstart", "scroll"]) {
        text.dispatchEvent(new Type(type, { bubbles: true }));
      }
    }
    text.click();
    text.focus();
  });
  await advance(60_000, page);
  assert.equal(posts(), 0);
});

for (const [path, isPassive] of [["/poll", true], ["/api", false]]) {
  test(`polling ${isPassive ? "a passive path does not extend" : "another path extends"}`, async () => {
    // No poll comes at the very end. Its 440 would take the cookie, and with it the reason.
    const poll = `
      const poll = () => {
        fetch("${path}").then(({ status }) => (globalThis.polled = status));
        setTimeout(poll, 7000);
      };
      poll();`;
    const page = await openPage(poll + watching());
    await advance(239_000, page);
    assert.equal(await dialogOf(page), null);
    await advance(2_000, page);
    assert.ok(site.count(`GET ${path}`) > 30, "it polls");
    assert.equal(await page.evaluate("polled"), 200);
    assert.equal((await dialogOf(page))?.clock, isPassive ? "0:59" : undefined);
    await advance(60_000, page);
    assert.deepEqual(await ends(page), isPassive ? ["idle"] : []);
    await advance(7_000, page);
    assert.equal(await page.evaluate("polled"), isPassive ? 440 : 200);
  });
}

test("with the warning open, only its buttons answer it", async () => {
  const page = await openPage(watching("{ activity: true }"));
  await advance(240_000, page);
  await page.keyboard.press("Tab");
  await page.mouse.click(5, 5);
  await advance(5_000, page);
  assert.equal(posts(), 0);
  assert.ok(await dialogOf(page));
});
