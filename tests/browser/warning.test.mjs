import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, dialogOf, ends, openPage, press, setUp, site, type, watching } from "./harness.mjs";

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
