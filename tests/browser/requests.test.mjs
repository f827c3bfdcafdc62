// Requests that the server refuses wait for a log-in, and are then repeated once.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import {
  advance, dialogOf, ends, logIn, openPage, setUp, settle, site, watching,
} from "./harness.mjs";

setUp();

let elsewhere;
before(async () => {
  elsewhere = createServer((request, response) => {
    elsewhere.count = (elsewhere.count ?? 0) + 1;
    response.writeHead(440, { "access-control-allow-origin": "*" }).end("elsewhere");
  });
  await new Promise((done) => elsewhere.listen(0, "127.0.0.1", done));
  elsewhere.url = `http://127.0.0.1:${elsewhere.address().port}/`;
});
after(() => (elsewhere.closeAllConnections(), elsewhere.close()));

// Logs in when `enter` is called, and gives up when `giveUp` is.
const HOOK = `wrap: true, login: (reason) => {
  (globalThis.hooked ??= []).push(reason);
  return new Promise((resolve, reject) => {
    globalThis.enter = () => fetch("/login", { method: "POST" }).then(resolve);
    globalThis.giveUp = reject;
  });
}`;

async function openEnded(options = `{ ${HOOK} }`, settings) {
  const page = await openPage(watching(options), settings);
  await site.control("end");
  return page;
}

// What XMLHttpRequest tells those who listen.
const useXhr = () => {
  globalThis.request = (method, path, body, headers = {}, isEarly = false) => {
    const xhr = new XMLHttpRequest();
    const told = [];
    const listen = () => {
      for (const type of ["loadstart", "load", "loadend", "abort", "error", "timeout"]) {
        xhr.addEventListener(type, () => told.push(type));
      }
      xhr.addEventListener("readystatechange", () => told.push(xhr.readyState, xhr.status));
    };
    if (isEarly) listen();
    xhr.open(method, path);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (!isEarly) listen();
    const done = new Promise((resolve) => {
      xhr.onloadend = () => resolve({ status: xhr.status, text: xhr.responseText, told });
    });
    xhr.send(body);
    return { xhr, done, told };
  };
};

const bodies = {
  text: `"Dear all"`,
  form: `(() => { const form = new FormData(); form.append("text", "Dear all"); return form; })()`,
  blob: `new Blob(["Dear all"])`,
  bytes: `new TextEncoder().encode("Dear all")`,
  query: `new URLSearchParams({ text: "Dear all" })`,
};

for (const [kind, body] of Object.entries(bodies)) {
  test(`fetch repeats its body after the log-in (${kind})`, async () => {
    const page = await openEnded();
    await page.evaluate(`void (globalThis.answer = fetch("/api", {
      method: "PUT", body: ${body}, headers: { "x-test": "kept" },
    }))`);
    await settle(page);
    assert.deepEqual(await page.evaluate(() => hooked), ["revoked"]);
    assert.equal(await dialogOf(page), null, "the hook has the word");
    await page.evaluate(() => enter());
    const got = await page.evaluate(async () => (await answer).json());
    assert.match(got.body, /Dear( |\+)all/);
    assert.equal(got.method, "PUT");
    assert.equal(got.header, "kept");
    assert.equal(site.count("PUT /api"), 2);
  });

  test(`XMLHttpRequest repeats its body after the log-in (${kind})`, async () => {
    const page = await openEnded(undefined, { prepare: useXhr });
    await page.evaluate(
      `void (globalThis.sent = request("PUT", "/api", ${body}, { "x-test": "kept" }))`,
    );
    await until(page, () => globalThis.hooked);
    assert.deepEqual(await page.evaluate(() => sent.told.filter((what) => what != 1 && what)), ["loadstart"]);
    await page.evaluate(() => enter());
    const { status, text, told } = await page.evaluate(() => sent.done);
    const got = JSON.parse(text);
    assert.equal(status, 200);
    assert.match(got.body, /Dear( |\+)all/);
    assert.equal(got.header, "kept");
    assert.equal(told.includes(440), false);
    assert.equal(told.filter((type) => type == "load").length, 1);
    assert.equal(site.count("PUT /api"), 2);
  });
}

test("fetch repeats a Request with its body", async () => {
  const page = await openEnded();
  await page.evaluate(() => {
    globalThis.answer = fetch(new Request("/api", { method: "POST", body: "Dear all" }));
  });
  await settle(page);
  await page.evaluate(() => enter());
  assert.equal(await page.evaluate(async () => (await (await answer).json()).body), "Dear all");
});

test("listeners from before `open` do not hear of the refusal, either", async () => {
  const page = await openEnded(undefined, { prepare: useXhr });
  await page.evaluate(() => void (globalThis.sent = request("GET", "/api", null, {}, true)));
  await until(page, () => globalThis.hooked);
  await page.evaluate(() => enter());
  const { status, told } = await page.evaluate(() => sent.done);
  assert.equal(status, 200);
  assert.equal(told.includes(440), false);
});

test("many requests wait for one log-in", async () => {
  const page = await openEnded(undefined, { prepare: useXhr });
  await page.evaluate(() => {
    const get = (number) => fetch(`/api/${number}`).then(({ status }) => status);
    globalThis.answers = [1, 2, 3, 4, 5].map(get);
    answers.push(request("GET", "/api/6").done.then(({ status }) => status));
  });
  await until(page, () => globalThis.hooked);
  await page.evaluate(() => void answers.push(fetch("/api/7").then(({ status }) => status)));
  await new Promise((done) => setTimeout(done, 200));
  assert.deepEqual(await page.evaluate(() => hooked), ["revoked"]);
  assert.deepEqual(await ends(page), ["revoked"]);
  await page.evaluate(() => enter());
  const statuses = await page.evaluate(() => Promise.all(answers));
  assert.deepEqual(statuses, Array(7).fill(200));
});

test("a log-in that is given up gives the refusal to who asked", async () => {
  const page = await openEnded(undefined, { prepare: useXhr });
  await page.evaluate(() => {
    globalThis.answer = fetch("/api").then(({ status }) => status);
    globalThis.sent = request("GET", "/api");
  });
  await until(page, () => globalThis.hooked);
  await settle(page);
  await page.evaluate(() => giveUp());
  assert.equal(await page.evaluate(() => answer), 440);
  const { status, told } = await page.evaluate(() => sent.done);
  assert.equal(status, 440);
  assert.deepEqual(told.slice(-4), [4, 440, "load", "loadend"]);
  assert.ok(await dialogOf(page), "the way in is there");
  assert.deepEqual(page.errors, []);
});

test("a log-in that was none gives the refusal to who asked, without a circle", async () => {
  const page = await openEnded(`{ wrap: true, login: () => {
    globalThis.times = (globalThis.times ?? 0) + 1;
  } }`);
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
  assert.equal(await page.evaluate(() => times), 1);
  assert.equal(site.count("GET /api"), 1);
});

test("repeats once and no more", async () => {
  // The session of the page lives, and this request is refused all the same.
  site.refuses = "/api";
  const page = await openPage(watching(`{ ${HOOK} }`), { prepare: useXhr });
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
  assert.equal(site.count("GET /api"), 2);
  const { status } = await page.evaluate(() => request("POST", "/api", "x").done);
  assert.equal(status, 440);
  assert.equal(site.count("POST /api"), 2);
  assert.equal(await page.evaluate(() => globalThis.hooked), undefined);
  assert.deepEqual(await ends(page), []);
});

test("a refusal from before a log-in elsewhere is repeated without a word", async () => {
  const page = await openEnded();
  await page.evaluate(() => fetch("/login", { method: "POST" }));
  site.refuses = "/api";
  site.refusals = 1;
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 200);
  assert.deepEqual(await ends(page), []);
});

test("without a hook, requests wait for the button or another tab", async () => {
  const page = await openEnded("{ wrap: true }");
  await page.evaluate(() => void (globalThis.answer = fetch("/api").then(({ status }) => status)));
  await settle(page);
  assert.deepEqual((await dialogOf(page)).buttons, ["login", "ok"]);
  await logIn();
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  assert.equal(await page.evaluate(() => answer), 200);
  assert.equal(await dialogOf(page), null);
});

test("with the dialog open, a poll does not call the hook behind it", async () => {
  const page = await openPage(watching(`{ ${HOOK} }`));
  await advance(301_000, page);
  assert.ok(await dialogOf(page));
  await page.evaluate(() => void (globalThis.answer = fetch("/api").then(({ status }) => status)));
  await settle(page);
  assert.equal(await page.evaluate(() => globalThis.hooked), undefined);
  await logIn();
  await page.evaluate(() => check());
  assert.equal(await page.evaluate(() => answer), 200);
});

test("without a hook, nothing waits behind a dialog that was closed", async () => {
  const page = await openEnded("{ wrap: true }");
  await page.evaluate(() => void (globalThis.answer = fetch("/api").then(({ status }) => status)));
  await settle(page);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => answer), 440);
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
  assert.equal(await dialogOf(page), null);
  await logIn();
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 200);
});

test("a request that is aborted waits no longer", async () => {
  const page = await openEnded(undefined, { prepare: useXhr });
  await page.evaluate(() => {
    globalThis.stopper = new AbortController();
    globalThis.answer = fetch("/api", { signal: stopper.signal }).catch(({ name }) => name);
    globalThis.sent = request("GET", "/api/xhr");
  });
  await until(page, () => globalThis.hooked);
  await new Promise((done) => setTimeout(done, 100));
  const { told, name } = await page.evaluate(async () => {
    stopper.abort();
    sent.xhr.abort();
    return { name: await answer, told: (await sent.done).told };
  });
  assert.equal(name, "AbortError");
  assert.deepEqual(told.slice(-2), ["abort", "loadend"]);
  await page.evaluate(() => enter());
  await settle(page);
  assert.equal(site.count("GET /api"), 1);
  assert.equal(site.count("GET /api/xhr"), 1);
});

test("requests to other origins are none of its business", async () => {
  const open = await openPage(watching(`{ ${HOOK} }`), { hasPolicy: false, prepare: useXhr });
  const answer = await open.evaluate(async (url) => {
    const response = await fetch(url, { method: "POST", body: "x" });
    return [response.status, await response.text()];
  }, elsewhere.url);
  assert.deepEqual(answer, [440, "elsewhere"]);
  const { status } = await open.evaluate((url) => request("GET", url).done, elsewhere.url);
  assert.equal(status, 440);
  assert.equal(elsewhere.count, 2);
  assert.deepEqual(await ends(open), []);
});

test("a synchronous XMLHttpRequest cannot wait", async () => {
  const page = await openEnded();
  const [status, isLoaded] = await page.evaluate(() => {
    const xhr = new XMLHttpRequest();
    let isLoaded;
    xhr.onload = () => (isLoaded = true);
    xhr.open("GET", "/api", false);
    xhr.send();
    return [xhr.status, isLoaded];
  });
  assert.equal(status, 440);
  assert.equal(isLoaded, true);
  await settle(page);
  assert.equal(await page.evaluate(() => globalThis.hooked), undefined);
});

test("an XMLHttpRequest can be used again", async () => {
  const page = await openEnded(undefined, { prepare: useXhr });
  await page.evaluate(() => void (globalThis.sent = request("GET", "/api/1")));
  await until(page, () => globalThis.hooked);
  await page.evaluate(() => enter());
  await page.evaluate(() => sent.done);
  await site.control("end");
  await page.evaluate(() => {
    const { xhr } = sent;
    globalThis.second = new Promise((resolve) => (xhr.onload = () => resolve(xhr.status)));
    xhr.open("GET", "/api/2");
    xhr.send();
  });
  await until(page, () => hooked.length == 2);
  await page.evaluate(() => enter());
  assert.equal(await page.evaluate(() => second), 200);
});

test("answers that are no refusals come as they are", async () => {
  const page = await openPage(watching("{ wrap: true }"), { prepare: useXhr });
  const got = await page.evaluate(async () => {
    const response = await fetch("/api", { method: "POST", body: "x" });
    const { status, text } = await request("POST", "/api", "y").done;
    const isXhr = new XMLHttpRequest() instanceof XMLHttpRequest;
    return [response.status, (await response.json()).body, status, JSON.parse(text).body, isXhr];
  });
  assert.deepEqual(got, [200, "x", 200, "y", true]);
});

test("a fetch of its own leaves `fetch` as it is", async () => {
  const page = await openEnded(`{ ${HOOK.replace("wrap: true,", "")} }`);
  assert.equal(await page.evaluate(() => fetch("/api").then(({ status }) => status)), 440);
  await page.evaluate(() => {
    globalThis.answer = loginTimeoutFetch("/api", { method: "POST", body: "Dear all" });
  });
  await settle(page);
  await page.evaluate(() => enter());
  assert.equal(await page.evaluate(async () => (await (await answer).json()).body), "Dear all");
});

test("believes a refusal while the status cannot be asked", async () => {
  const page = await openEnded();
  site.failsAt = "/session";
  await page.evaluate(() => void (globalThis.answer = fetch("/api").then(({ status }) => status)));
  await settle(page);
  assert.deepEqual(await ends(page), ["revoked"]);
  site.failsAt = undefined;
  await advance(10_000, page);
  assert.deepEqual(await ends(page), ["revoked"], "it is not told of again");
  await page.evaluate(() => enter());
  assert.equal(await page.evaluate(() => answer), 200);
});

// These wait in real time, since the page's clock does not count for XMLHttpRequest.
async function until(page, condition) {
  await page.waitForFunction(condition, { polling: 10, timeout: 5_000 });
  await settle(page);
}
