// The site that the browser sees: the tests' own pages, and behind them the server under test.
//
// It counts requests, and it can fail in place of the server, whichever server that is.

import { createServer, request as send } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { startMockServer } from "./mock-server.mjs";

const CSP = "default-src 'self'; require-trusted-types-for 'script'; report-uri /csp-report";
const { resolve } = createRequire(import.meta.url);
const LIBRARIES = {
  "/lib/htmx2.js": resolve("htmx.org/dist/htmx.js"),
  "/lib/htmx4.js": resolve("htmx4/dist/htmx.js"),
  "/lib/turbo.js": resolve("@hotwired/turbo/dist/turbo.es2017-umd.js"),
};

export async function startSite() {
  const own = process.env.LOGIN_TIMEOUT_SERVER ? undefined : await startMockServer();
  const backend = new URL(process.env.LOGIN_TIMEOUT_SERVER ?? own.url);
  // What the tests decide: pages (`free` of a policy), failures, and refusals of single paths.
  const fresh = () => ({
    seen: [],
    violations: [],
    pages: new Map(),
    free: new Set(),
    isFailing: false,
    failsAt: undefined,
    isWithoutTexts: false,
    refuses: undefined,
    refusals: Infinity,
  });
  const site = fresh();

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    if (pathname == "/csp-report") {
      request.on("data", (data) => site.violations.push(data.toString()));
      return response.end();
    }
    const reply = (type, content) => {
      response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" });
      response.end(content);
    };
    if (LIBRARIES[pathname]) return reply("text/javascript", readFileSync(LIBRARIES[pathname]));
    const page = site.pages.get(pathname);
    if (page != null) {
      if (!site.free.has(pathname)) response.setHeader("content-security-policy", CSP);
      return reply(pathname.endsWith(".js") ? "text/javascript" : "text/html", page);
    }
    site.seen.push(`${request.method} ${pathname}`);
    if (site.isWithoutTexts && pathname.endsWith(".texts.js")) return response.writeHead(503).end();
    if (site.refuses == pathname && site.refusals-- > 0) {
      return response.writeHead(440, { "login-timeout-reason": "unknown" }).end();
    }
    if (site.failsAt == pathname) return response.writeHead(503).end();
    if (site.isFailing && !pathname.endsWith(".js")) return response.writeHead(503).end("failing");
    const options = { method: request.method, path: request.url, headers: request.headers };
    const forward = send(backend, options, (answer) => {
      response.writeHead(answer.statusCode, answer.statusMessage, answer.headers);
      answer.pipe(response);
    });
    forward.on("error", () => response.writeHead(502).end());
    response.on("close", () => forward.destroy());
    request.pipe(forward);
  });
  server.on("upgrade", (request, socket) => {
    site.seen.push(`${request.method} ${request.url}`);
    const forward = send(backend, { path: request.url, headers: request.headers });
    forward.on("upgrade", ({ rawHeaders }, inner, head) => {
      const lines = rawHeaders.map((text, at) => (at % 2 ? `${text}\r\n` : `${text}: `)).join("");
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`);
      socket.write(head);
      inner.pipe(socket).pipe(inner);
      for (const end of [inner, socket]) end.on("error", () => (inner.destroy(), socket.destroy()));
    });
    forward.on("response", ({ statusCode }) => socket.end(`HTTP/1.1 ${statusCode} \r\n\r\n`));
    forward.on("error", () => socket.destroy());
    forward.end();
  });

  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  site.url = `http://127.0.0.1:${server.address().port}`;
  site.control = (what) => fetch(new URL(`/control/${what}`, backend), { method: "POST" });
  site.count = (what) => site.seen.filter((line) => line == what).length;
  site.reset = async (limits = "") => {
    Object.assign(site, fresh());
    await site.control(`reset?${limits}`);
  };
  site.close = () => {
    server.closeAllConnections();
    server.close();
    own?.close();
  };
  return site;
}
