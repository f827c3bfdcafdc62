// htmx and Turbo: a refusal becomes a navigation, and nothing of it is put into the page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ends, openPage, setUp, settle, site, watching } from "./harness.mjs";

setUp();

const HTMX = `<button id="go" hx-get="/api" hx-target="#here">Go</button><div id="here">Here</div>`;
const TURBO = `<a id="go" href="/api" data-turbo-prefetch="false">Go</a><p id="here">Here</p>`;
const FRAME = `<turbo-frame id="here"><a id="go" href="/api">Go</a></turbo-frame>`;
const POST = `<form action="/api" method="post"><button id="go">Go</button></form>
  <p id="here">Here</p>`;
const uses = {
  "htmx 2": ["htmx2.js", HTMX],
  "htmx 4": ["htmx4.js", HTMX],
  "Turbo, a visit": ["turbo.js", TURBO],
  "Turbo, a frame": ["turbo.js", FRAME],
  "Turbo, a form": ["turbo.js", POST],
};

async function openUse(name, options) {
  const [library, html] = uses[name];
  const head = `<script src="/lib/${library}"></script>`;
  const page = await openPage(watching(options), { html, head, hasPolicy: false, isReal: true });
  await site.control("end");
  return page;
}

for (const name of Object.keys(uses)) {
  test(`${name}: goes to the log-in page`, async () => {
    site.pages.set("/come-in", "<title>Come in</title>");
    const page = await openUse(name, `{ loginUrl: "/come-in" }`);
    const moved = page.waitForNavigation();
    await page.click("#go");
    await moved;
    assert.equal(new URL(page.url()).pathname, "/come-in");
  });

  test(`${name}: reloads without a log-in page`, async () => {
    const page = await openUse(name);
    const path = new URL(page.url()).pathname;
    await page.evaluate(() => (globalThis.isOld = true));
    const moved = page.waitForNavigation();
    await page.click("#go");
    await moved;
    await page.waitForFunction(() => !globalThis.isOld);
    assert.equal(new URL(page.url()).pathname, path);
  });

  test(`${name}: stays if the page takes over`, async () => {
    const page = await openUse(name, `{ loginUrl: "/come-in" }`);
    await page.evaluate(() => {
      document.addEventListener("logintimeout", (event) => event.preventDefault());
    });
    await page.click("#go");
    await page.waitForFunction(() => ends.length);
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(site.count("GET /come-in"), 0);
    assert.doesNotMatch(await page.$eval("#here", ({ textContent }) => textContent), /440/);
    assert.deepEqual(await ends(page), ["revoked"]);
  });
}

test("htmx 2 with `wrap` waits for the log-in, and then shows what was asked for", async () => {
  const hook = `{ wrap: true, login: () => fetch("/login", { method: "POST" }) }`;
  const page = await openUse("htmx 2", hook);
  await page.click("#go");
  await page.waitForFunction(() => here.textContent.includes("/api"));
  assert.equal(site.count("GET /api"), 2);
});

test("htmx 4 with `wrap` waits for the log-in, and then shows what was asked for", async () => {
  const hook = `{ wrap: true, login: () => fetch("/login", { method: "POST" }) }`;
  const page = await openUse("htmx 4", hook);
  await page.click("#go");
  await page.waitForFunction(() => here.textContent.includes("/api"));
  assert.equal(site.count("GET /api"), 2);
});

test("Turbo with `wrap` waits for the log-in, and then visits what was asked for", async () => {
  const hook = `{ wrap: true, login: () => fetch("/login", { method: "POST" }) }`;
  const page = await openUse("Turbo, a visit", hook);
  await page.click("#go");
  await page.waitForFunction(() => location.pathname == "/api" && document.querySelector("#app"));
});

test("a link that is only hovered over does not lead away", async () => {
  const [, html] = uses["Turbo, a visit"];
  const page = await openPage(watching(`{ loginUrl: "/come-in" }`), {
    html: html.replace(' data-turbo-prefetch="false"', ""),
    head: `<script src="/lib/turbo.js"></script>`,
    hasPolicy: false,
    isReal: true,
  });
  await site.control("end");
  await page.hover("#go");
  await page.waitForResponse((response) => response.url().endsWith("/api"));
  await new Promise((done) => setTimeout(done, 100));
  assert.equal(site.count("GET /come-in"), 0);
  assert.deepEqual(await ends(page), []);
});

test("answers that are no refusals are shown as ever", async () => {
  for (const name of ["htmx 2", "htmx 4"]) {
    const [library, html] = uses[name];
    const head = `<script src="/lib/${library}"></script>`;
    const page = await openPage(watching(), { html, head, hasPolicy: false, isReal: true });
    await page.click("#go");
    await page.waitForFunction(() => here.textContent.includes("/api"));
    await settle(page);
  }
});
