// Streams and sockets end with their session. Only the layer's own server has them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { context, openPage, setUp, site } from "./harness.mjs";

const skip = process.env.LOGIN_TIMEOUT_SERVER ? false : "it needs the server of tests/browser.rs";
// Longer than the layer takes to notice a log-out.
const SOON = 6_000;
const MINUTE = 60_000;

setUp();

const advance = (ms) => site.control(`advance?ms=${ms}`);

const EVENTS = `
  globalThis.events = [];
  globalThis.source = new EventSource("/events");
  source.onmessage = ({ data }) => events.push(data);
  source.addEventListener("login-timeout", ({ data }) => events.push(JSON.parse(data)));`;

const SOCKET = `
  globalThis.said = [];
  globalThis.socket = new WebSocket("/socket");
  socket.onmessage = ({ data }) => said.push(data);
  socket.onclose = ({ code, reason }) => (globalThis.farewell = { code, reason });`;

async function open(script, ready) {
  const page = await openPage(script, { isReal: true });
  await until(page, ready);
  return page;
}

// A tab in the background draws no frames, so it is asked by time.
function until(page, condition, ...values) {
  return page.waitForFunction(condition, { polling: 20 }, ...values);
}

async function say(page, text) {
  await page.evaluate((text) => socket.send(text), text);
  await until(page, (text) => said.includes(text) || globalThis.farewell, text);
}

async function closedOf(page) {
  await until(page, "globalThis.farewell");
  return page.evaluate("farewell");
}

test("an event stream gets a last event, and is refused when it connects again", { skip }, async () => {
  const page = await open(EVENTS, "events.length == 1");
  await advance(MINUTE);
  await site.control("end");
  await advance(SOON);
  await until(page, "source.readyState == EventSource.CLOSED");
  assert.deepEqual(await page.evaluate("events"), ["hello", { reason: "revoked" }]);
  assert.equal(site.count("GET /events"), 2);
});

test("an event stream is no activity", { skip }, async () => {
  const page = await open(EVENTS, "events.length == 1");
  for (let minute = 0; minute < 5; minute++) await advance(MINUTE);
  await until(page, "source.readyState == EventSource.CLOSED");
  assert.deepEqual(await page.evaluate("events"), ["hello", { reason: "idle" }]);
});

test("a log-out in one tab closes the socket of another", { skip }, async () => {
  const page = await open(SOCKET, "socket.readyState == WebSocket.OPEN");
  const other = await openPage("", { isReal: true });
  await say(page, "one");
  assert.equal(await other.evaluate(async () => {
    return (await fetch("/session", { method: "DELETE" })).status;
  }), 200);
  assert.ok((await context.cookies()).every((cookie) => cookie.name != "sid"), "the cookie is gone");
  await advance(SOON);
  assert.deepEqual(await closedOf(page), { code: 4440, reason: "revoked" });
});

test("messages are activity, and the absolute timeout closes an active socket", { skip }, async () => {
  const page = await open(SOCKET, "socket.readyState == WebSocket.OPEN");
  let minutes = 0;
  while (minutes < 70 && !(await page.evaluate("!!globalThis.farewell"))) {
    await say(page, `minute ${minutes++}`);
    await advance(MINUTE);
    if (minutes == 60) await closedOf(page);
  }
  assert.equal(minutes, 60);
  assert.deepEqual(await closedOf(page), { code: 4440, reason: "absolute" });
});
