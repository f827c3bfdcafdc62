// The server is restarted while a page is open.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, dialogOf, dialogsSeen, ends, logIn, openPage, press, setUp, settle, site, type,
  watchForDialogs, watching,
} from "./harness.mjs";

setUp();

// The server is away for 20 s, in which the page asks.
async function restart(store, page) {
  site.isFailing = true;
  await advance(10_000, page);
  await site.control(`restart?store=${store}`);
  await advance(10_000, page);
  site.isFailing = false;
}

test("with a store of its own, the page learns that the session is gone", async () => {
  const page = await openPage(watching());
  await page.focus("#text");
  await page.keyboard.type("Dear all");
  await advance(50_000, page);
  await restart("own", page);
  assert.ok(site.count("GET /session") > 1, "it has asked meanwhile");
  assert.deepEqual(await ends(page), []);
  await advance(61_000, page);
  assert.deepEqual(await ends(page), ["unknown"]);
  const dialog = await dialogOf(page);
  assert.equal(dialog.title, "You have been signed out");
  assert.equal(dialog.text, "Please sign in again to continue.");

  await type(page, "Escape");
  assert.equal(await page.$eval("#text", (text) => text.value), "Dear all");
  await logIn();
  await page.evaluate(() => check());
  await advance(239_000, page);
  assert.equal(await dialogOf(page), null, "the new session goes on");
  await advance(2_000, page);
  assert.equal((await dialogOf(page)).clock, "0:59");
});

test("with a shared store, the session goes on and ends when it would have", async () => {
  const page = await openPage(watching());
  await watchForDialogs(page);
  await advance(50_000, page);
  await restart("shared", page);
  await advance(169_000, page);
  assert.deepEqual(await dialogsSeen(page), []);
  await advance(2_000, page);
  assert.equal((await dialogOf(page)).clock, "0:59");
  await press(page, "stay");
  assert.equal(await dialogOf(page), null);
  await advance(301_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
});

test("what was sent meanwhile is sent again after a log-in", async () => {
  const hook = `login: () => new Promise((resolve) => (globalThis.enter = resolve))`;
  const page = await openPage(watching(`{ wrap: true, ${hook} }`));
  await site.control("restart?store=own");
  await page.evaluate(() => {
    globalThis.saved = fetch("/api", { method: "POST", body: "Dear all" });
  });
  await settle(page);
  assert.deepEqual(await ends(page), ["unknown"]);
  await logIn();
  await page.evaluate(() => enter());
  const { body } = await page.evaluate(async () => (await saved).json());
  assert.equal(body, "Dear all");
});
