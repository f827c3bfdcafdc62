// What is served: how large it is, and what it may do.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { advance, context, dialogOf, openPage, setUp, site, watching } from "./harness.mjs";

setUp();

const ASSETS = new URL("../../src/browser/assets/", import.meta.url);
const read = (name) => readFileSync(new URL(name, ASSETS), "utf8");

test("the module has at most 4096 bytes gzipped", () => {
  const size = gzipSync(read("login-timeout.min.js"), { level: 9 }).length;
  assert.ok(size <= 4096, `${size} bytes`);
});

test("the minified module is made from the source", () => {
  const script = fileURLToPath(new URL("../../scripts/minify-browser", import.meta.url));
  execFileSync(process.execPath, [script, "--check"], { stdio: "pipe" });
});

test("the source and the minified module run alike", async () => {
  site.pages.set("/source/login-timeout.js", read("login-timeout.js").replace(
    /const ENDPOINT = .*/,
    `const ENDPOINT = location.origin + "/session";`,
  ));
  site.pages.set("/source/login-timeout.texts.js", read("login-timeout.texts.js"));
  const page = await openPage(watching().replace("/session/", "/source/"), { lang: "de" });
  await advance(240_000, page);
  assert.equal((await dialogOf(page)).title, "Sie werden bald abgemeldet");
});

test("nothing in it makes code or markup out of texts", () => {
  for (const name of ["login-timeout.min.js", "login-timeout.texts.js"]) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b/);
    assert.doesNotMatch(read(name), /new Function|\.style\b|createElement\("style"\)|cssText/);
  }
});

// All other tests fail, too, if the policy is violated. This one tests that they would.
test("a violation of the policy would be noticed", async () => {
  const page = await context.newPage();
  site.pages.set("/bad", `<script>1</script><p style="color: red">Red</p>`);
  await page.goto(`${site.url}/bad`);
  for (let tries = 0; tries < 100 && site.violations.length < 2; tries++) {
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.ok(site.violations.length >= 2);
  site.violations = [];
});
