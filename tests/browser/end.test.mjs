// The end of a session, and the way on.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advance, context, dialogOf, ends, FORM, isOnlyForChromium, logIn, openPage, press, setUp, settle,
  site, type, watching,
} from "./harness.mjs";

setUp();

const isShown = (page, selector) => page.$eval(selector, (element) => element.checkVisibility());

test("tells of the end once, with its reason", async () => {
  const page = await openPage(watching());
  await advance(600_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
  const dialog = await dialogOf(page);
  assert.equal(dialog.title, "You have been signed out");
  assert.match(dialog.text, /because you were not active for a while/);
  assert.deepEqual(dialog.buttons, ["login", "ok"]);
});

test("learns within a minute of an end elsewhere", async () => {
  const page = await openPage(watching());
  await advance(5_000, page);
  await site.control("end");
  await advance(60_000, page);
  assert.deepEqual(await ends(page), ["revoked"]);
});

test("learns of the end when somebody comes back to the tab", async () => {
  const page = await openPage(watching());
  await site.control("end");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await settle(page);
  assert.deepEqual(await ends(page), ["revoked"]);
});

test("shows nothing if the page takes over", async () => {
  const own = `document.addEventListener("logintimeout", (event) => event.preventDefault());`;
  const page = await openPage(own + watching());
  await advance(301_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
  assert.equal(await dialogOf(page), null);
});

test("Enter, pressed while typing, does not lead away from the page at the end", async () => {
  const page = await openPage(watching());
  await site.control("end");
  await page.focus("#text");
  await page.keyboard.type("Dear");
  await advance(61_000, page);
  assert.equal((await dialogOf(page)).focus, "title");
  await type(page, "Enter");
  assert.ok(await dialogOf(page));
  await type(page, "Escape");
  assert.equal(await dialogOf(page), null);
  await page.keyboard.type(" all");
  assert.equal(await page.$eval("#text", (text) => text.value), "Dear all");
});

test("blanks the page, and shows it again after a log-in, as it was", async () => {
  const page = await openPage(watching("{ blank: true }"), { html: `${FORM}<p id="tall">Tall` });
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("#tall { height: 3000px } main, body { display: block !important }");
    document.adoptedStyleSheets.push(sheet);
  });
  await page.focus("#text");
  await page.keyboard.type("Dear all");
  await page.evaluate(() => scrollTo(0, 500));
  await advance(301_000, page);
  assert.equal(await isShown(page, "#text"), false);
  assert.deepEqual((await dialogOf(page)).buttons, ["login"]);
  for (let count = 0; count < 3; count++) await type(page, "Escape");
  assert.ok(await dialogOf(page), "nothing else is left to see");

  await logIn();
  await page.evaluate(() => check());
  await settle(page);
  assert.equal(await dialogOf(page), null);
  assert.equal(await isShown(page, "#text"), true);
  assert.equal(await page.evaluate(() => scrollY), 500);
  assert.equal(await page.evaluate(() => document.activeElement.id), "text");
  assert.equal(await page.$eval("#text", (text) => text.value), "Dear all");
  await advance(301_000, page);
  assert.deepEqual(await ends(page), ["idle", "idle"], "the next session ends, too");
});

test("blanks what a selector names, also what comes later", async () => {
  const page = await openPage(watching(`{ blank: "main, .late" }`), { html: `${FORM}<p id="p">P` });
  await advance(301_000, page);
  await page.evaluate(() => {
    const late = document.createElement("p");
    late.className = "late";
    late.textContent = "Late";
    document.body.append(late);
  });
  assert.equal(await isShown(page, "#text"), false);
  assert.equal(await isShown(page, ".late"), false);
  assert.equal(await isShown(page, "#p"), true);
});

test("a public page with an old cookie says nothing, one that is to be blanked does", async () => {
  await logIn();
  await site.control("end");
  const open = await openPage(watching());
  assert.deepEqual(await ends(open), []);
  assert.equal(await dialogOf(open), null);
  const secret = await openPage(watching("{ blank: true }"));
  assert.deepEqual(await ends(secret), ["revoked"]);
  assert.equal(await isShown(secret, "#text"), false);
});

test("a page without a session says nothing, and asks once", async () => {
  const page = await openPage(watching("{ blank: true }"), { isLoggedIn: false });
  await advance(600_000, page);
  assert.equal(await dialogOf(page), null);
  assert.equal(site.count("GET /session"), 1);
  await logIn();
  await page.evaluate(() => check());
  await advance(240_000, page);
  assert.ok(await dialogOf(page), "a log-in without a reload is noticed");
});

test("a cookie that is gone is an end", async () => {
  const page = await openPage(watching());
  await context.deleteCookie(...(await context.cookies()));
  await advance(61_000, page);
  assert.deepEqual(await ends(page), ["unknown"]);
});

test("leads to the log-in page", async () => {
  site.pages.set("/come-in", "<title>Come in</title>");
  const page = await openPage(watching(`{ loginUrl: "/come-in" }`));
  await advance(301_000, page);
  const moved = page.waitForNavigation();
  await press(page, "login").catch(() => {});
  await moved;
  assert.equal(new URL(page.url()).pathname, "/come-in");
});

test("without a log-in page, reloads, so that the server shows the way back", async () => {
  const page = await openPage(watching());
  await advance(301_000, page);
  const moved = page.waitForNavigation();
  await press(page, "login").catch(() => {});
  await moved;
  assert.deepEqual(await ends(page), [], "a new page");
});

test("opens the log-in page in a window, goes on after it, and closes it", async () => {
  site.pages.set("/come-in", "<title>Come in</title>");
  const page = await openPage(watching(`{ loginUrl: "/come-in", login: "popup" }`));
  await page.focus("#text");
  await page.keyboard.type("Dear all");
  await advance(301_000, page);
  const opened = new Promise((resolve) => page.once("popup", resolve));
  await press(page, "login");
  const popup = await opened;
  await logIn();
  const closed = new Promise((resolve) => popup.once("close", resolve));
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await settle(page);
  await Promise.race([closed, new Promise((_, reject) => setTimeout(reject, 5_000, "it is open"))]);
  assert.equal(await dialogOf(page), null);
  assert.equal(await page.$eval("#text", (text) => text.value), "Dear all");
});

test("calls the log-in hook from the button, and goes on after it", async () => {
  const hook = `{ login: async (reason) => {
    (globalThis.hooked ??= []).push(reason);
    if (hooked.length == 1) throw new Error("given up");
    await fetch("/login", { method: "POST" });
  } }`;
  const page = await openPage(watching(hook));
  await advance(301_000, page);
  await press(page, "login");
  assert.ok(await dialogOf(page), "given up: the way in is still there");
  await press(page, "login");
  assert.equal(await dialogOf(page), null);
  assert.deepEqual(await page.evaluate(() => hooked), ["idle", "idle"]);
  assert.deepEqual(page.errors, []);
});

test("stops without a trace", async () => {
  const page = await openPage(watching("{ blank: true, wrap: true, activity: true }"));
  await advance(240_000, page);
  assert.ok(await dialogOf(page));
  await page.evaluate(() => stop());
  assert.equal(await dialogOf(page), null);
  const asked = site.seen.length;
  await page.keyboard.type("x");
  await page.evaluate(() => {
    for (const type of ["visibilitychange", "resume"]) document.dispatchEvent(new Event(type));
    for (const type of ["focus", "online"]) dispatchEvent(new Event(type));
  });
  await advance(600_000, page);
  assert.equal(site.seen.length, asked);
  assert.deepEqual(await ends(page), []);
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
  const status = await page.evaluate(() => {
    return new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.onload = () => resolve(xhr.status);
      xhr.open("GET", "/api");
      xhr.send();
    });
  });
  assert.equal(status, 440);
  await logIn();
  await page.evaluate(() => void watch());
  await advance(240_000, page);
  assert.ok(await dialogOf(page), "it can begin again");
});

test("two calls and two addresses of the module are one watch", async () => {
  const twice = `${watching("{ warnBefore: 120_000 }")}
    const { headers } = await fetch("/session/login-timeout.js");
    const other = await import(new URL(headers.get("content-location"), location.origin + "/session/"));
    globalThis.isSame = other.watch === watch;
    globalThis.stopOther = other.watch({ activity: true });`;
  const page = await openPage(twice);
  assert.equal(await page.evaluate(() => isSame), true);
  assert.equal(site.count("GET /session"), 1);
  await advance(180_000, page);
  assert.ok(await dialogOf(page), "the options of both count");
  await page.evaluate(() => (stopOther(), stopOther()));
  assert.ok(await dialogOf(page), "the first one goes on");
  await advance(121_000, page);
  assert.deepEqual(await ends(page), ["idle"]);
  await page.evaluate(() => stop());
  assert.equal(await dialogOf(page), null);
});

test("one line of markup is enough", async () => {
  const head = `<script type="module" src="/session/login-timeout.js" data-warn-before="90000"
    data-blank="main" data-login-url="/come-in" data-activity data-touch-every="60000"></script>`;
  const page = await openPage("", { head });
  await page.keyboard.type("x");
  await advance(1_000, page);
  assert.equal(site.count("POST /session"), 1);
  await advance(30_000, page);
  await page.keyboard.type("x");
  await advance(1_000, page);
  assert.equal(site.count("POST /session"), 1);
  await advance(30_000, page);
  assert.equal(site.count("POST /session"), 2);
  await advance(210_000 - 1_000, page);
  assert.equal((await dialogOf(page)).clock, "1:30");
  await advance(91_000, page);
  assert.equal(await isShown(page, "#text"), false);
});

test("without JavaScript the page is as it was", { skip: isOnlyForChromium }, async () => {
  const page = await context.newPage();
  await page.setJavaScriptEnabled(false);
  site.pages.set("/plain", `<script type="module" src="/session/login-timeout.js"></script>${FORM}`);
  await page.goto(`${site.url}/plain`);
  assert.equal(await page.$eval("#text", (text) => text.isConnected), true);
  assert.deepEqual(site.seen.filter((line) => !/js$|ico$/.test(line)), []);
});

test("speaks the language of the page, or else of the browser", async () => {
  const speaks = async (lang, options) => {
    const page = await openPage(watching(options), { lang });
    await advance(240_000, page);
    const dialog = await dialogOf(page);
    await press(page, "stay");
    await page.close();
    return dialog;
  };
  const german = await speaks("de-AT");
  assert.equal(german.title, "Sie werden bald abgemeldet");
  assert.equal(german.lang, "de");
  assert.equal(german.live, "Verbleibende Zeit: 60 Sekunden");
  const arabic = await speaks("ar");
  assert.equal(arabic.dir, "rtl");
  assert.match(arabic.live, /^الوقت المتبقي: /);
  assert.equal((await speaks("tlh")).lang, "en");
  assert.equal((await speaks("")).lang, "en");
  assert.equal((await speaks("de", `{ lang: "ja" }`)).lang, "ja");
  const own = await speaks("de", `{ texts: { title: "Noch da?" } }`);
  assert.equal(own.title, "Noch da?");
  assert.equal(own.lang, "de");
});

test("has words where the texts cannot be loaded", async () => {
  site.isWithoutTexts = true;
  const page = await openPage(watching(), { lang: "de" });
  await advance(240_000, page);
  const { title, text, lang } = await dialogOf(page);
  assert.deepEqual([title, text], ["You will be signed out soon", "Do you want to stay signed in?"]);
  assert.equal(lang, "en");
});
