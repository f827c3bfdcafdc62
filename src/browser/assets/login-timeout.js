// Warns before a session ends, keeps it alive if asked, and lets the page go on after a log-in.
//
// Only the server knows whether the session lives. The page counts down to the end that the server
// named, and asks again before it says anything. All times are in ms, of `performance.now()`.

const NAME = "login-timeout";
const REASON = "login-timeout-reason";
const STATUS = 440;
const ENDPOINT = new URL(".", import.meta.url).href.slice(0, -1);
const KEY = NAME + ENDPOINT;
const nativeFetch = globalThis.fetch;
const NativeXhr = globalThis.XMLHttpRequest;
const now = () => performance.now();
const soon = () => AbortSignal.timeout(10000);

// The module may be loaded under two addresses. The second one then exports what the first one has.
export const { watch, check, loginTimeoutFetch } = (globalThis[KEY] ||= {
  watch: start,
  check: async () => (await ask(), status),
  loginTimeoutFetch: patientFetch,
});

let options = {};
let watchers = 0;
let listeners; // The AbortController that removes them.
let channel; // To the other tabs.
let timer;
let timerDue;

let status = {}; // The last answer of the server.
let news = 0; // How many answers there were.
let learnedAt = -Infinity; // When that answer was asked for, so that the end is never late.
let deadline;
let warnBefore;
let doubts = 0; // How often the clock may have stood still. Then the deadline may be wrong.
let cleared = 0; // How many of these doubts an answer has cleared that was asked for afterwards.
let isOver; // The page was told that the session has ended.
let reason;

let queue = Promise.resolve(); // One question at a time.
let queued = 0;
let failures = 0;
let retryAt = 0;
let wish; // "POST" or "DELETE": what somebody chose and the server has not done yet.
let hasActivity; // Since the last report.
let touchedAt = -Infinity;

let signingIn; // What refused requests wait for: whether they may be repeated.
let decide; // Settles it.
let isHookBusy;
let isQuiet; // The end is answered by the hook, or by leaving the page.
let popup;

let view; // What the dialog shows: "warn", "limit", "end" or nothing.
let isRead; // Somebody closed "limit" or "end".
let dialog, clock, live, trouble, text, table, lastMark;
let blankSheet, blanked;

function start(more) {
  Object.assign(options, more);
  if (!watchers++) {
    listen();
    openChannel();
  }
  if (options.wrap) wrap();
  tick();
  let isStopped;
  return () => {
    if (isStopped || ((isStopped = 1), --watchers)) return;
    listeners.abort();
    clearTimeout(timer);
    closeChannel();
    hide();
    blank();
    options = {};
    status = {};
    isOver = timerDue = 0;
  };
}

function listen() {
  listeners = new AbortController();
  const { signal } = listeners;
  const on = (target, types, listener, capture) => {
    for (const type of types.split(" ")) {
      target.addEventListener(type, listener, { capture, passive: capture, signal });
    }
  };
  const doubt = () => {
    doubts++;
    wake();
  };
  on(document, "resume", doubt);
  on(document, "visibilitychange", () => document.hidden || doubt());
  on(window, "focus online", wake);
  // An open channel can keep a page out of the back/forward cache.
  on(window, "pagehide", closeChannel);
  on(window, "pageshow", (event) => {
    if (!event.persisted) return;
    openChannel();
    doubt();
  });
  // Only people cause these. `scroll` is not among them, since scripts cause it too.
  on(document, "pointerdown keydown wheel touchstart", (event) => {
    if (options.activity && event.isTrusted && !view) {
      hasActivity = 1;
      tick();
    }
  }, true);
  on(document, "htmx:beforeOnLoad htmx:before:response turbo:before-fetch-response", leaveIfRefused);
}

function openChannel() {
  if (!globalThis.BroadcastChannel) return;
  channel = new BroadcastChannel(KEY);
  channel.onmessage = ({ data }) => {
    if (data.isRead) {
      isRead = 1;
      hide();
    } else if (!isDoubtful()) {
      // While in doubt, this message may have waited here for hours.
      if (data.isTouch) touched();
      learn(data, now() - data.age);
      tick();
    }
  };
}

function closeChannel() {
  channel = channel?.close();
}

// Asks if it is time to, shows what is known, and sets the timer.
function tick() {
  clearTimeout(timer);
  if (!watchers) return;
  const time = now();
  const isActive = status.state == "active" && !isOver;
  const left = deadline - time;
  const isNear = isActive && left <= warnBefore;
  if (time - timerDue > 2000 && !document.hidden) doubts++;

  // Other requests of the page extend the session unseen, and other computers end it.
  const isOld = time - learnedAt > (isNear ? 10000 : 60000) && (isNear || !document.hidden);
  const reportAt = touchedAt + +(options.touchEvery ?? 30000);
  const isReport = isActive && hasActivity && (isNear || time >= reportAt);
  const isQuestion =
    !status.state ||
    failures ||
    wish ||
    (isOld && (isActive || isOver)) ||
    isReport ||
    (isActive && (isDoubtful() || left <= 0));
  if (isQuestion && time >= retryAt && !queued) ask(wish || (isReport && "POST"), news);

  if (isActive && !isDoubtful()) {
    if (!isNear) hide();
    else if (failures || (!isOld && left > 0 && !wish && !isRead)) {
      show((status.absoluteRemainingMs ?? Infinity) <= status.remainingMs ? "limit" : "warn");
    }
  }
  render(left);

  const waits = [left - warnBefore, left, retryAt - time, hasActivity && reportAt - time];
  const wait = Math.min(isNear ? left % 1000 || 1000 : 60000, ...waits.filter((ms) => ms > 0));
  timerDue = time + wait;
  timer = setTimeout(tick, Math.max(wait, 100));
}

function wake() {
  retryAt = 0;
  ask();
}

function isDoubtful() {
  return doubts > cleared;
}

function touched() {
  hasActivity = 0;
  touchedAt = now();
}

// Asks the server when it is this tab's turn, unless it was asked since, or any news will do.
function ask(method, known) {
  const wishedAt = now();
  const turn = async () => {
    await question(method, wishedAt, known);
    // So the answer reaches the other tabs before their turn comes.
    await new Promise((done) => setTimeout(done, 50));
  };
  const { locks } = navigator;
  wish = method || wish;
  queued++;
  return (queue = queue.then(() =>
    // Nobody waits for ever, since a frozen tab may hold the lock.
    locks ? locks.request(KEY, { signal: soon() }, turn).catch(turn) : turn(),
  ));
}

async function question(method, wishedAt, known = news) {
  const askedAt = now();
  const asked = doubts;
  if (method || (learnedAt <= wishedAt && known == news)) {
    const isTouch = method == "POST";
    if (isTouch) touched();
    try {
      const settings = { method: method || "GET", cache: "no-store", signal: soon() };
      const response = await nativeFetch(ENDPOINT, settings);
      if (!response.ok) throw 0;
      const answer = await response.json();
      cleared = asked;
      failures = 0;
      retryAt = now() + 500;
      if (method == wish) wish = 0;
      learn(answer, askedAt);
      channel?.postMessage({ ...answer, age: now() - askedAt, isTouch });
    } catch {
      retryAt = now() + Math.min(1000 * 2 ** failures++, 60000);
    }
  }
  queued--;
  tick();
}

function learn(answer, askedAt) {
  if (askedAt < learnedAt) return;
  const was = status.state;
  status = answer;
  learnedAt = askedAt;
  news++;
  if (status.state == "active") {
    deadline = askedAt + (status.remainingMs ?? Infinity);
    // 20 s is what people need at least (WCAG 2.2.1). But a warning must not be there always.
    const wanted = options.warnBefore ?? status.warnBeforeMs;
    warnBefore = Math.max(20000, Math.min(wanted, (status.idleMs || Infinity) / 2));
    if (deadline - now() > warnBefore) isRead = 0;
    table ||= import("./login-timeout.texts.js").then(
      (module) => (table = module.default),
      () => (table = 0),
    );
    isQuiet = reason = 0;
    if (isOver) {
      isOver = 0;
      hide();
      blank();
      popup?.close();
      decide?.(true);
    }
  } else if (was == "active" || (!was && status.state == "expired" && options.blank)) {
    // A page that was never seen active may be public. The one that asks to be blanked is not.
    if (!isOver) end(status.reason);
  }
}

// The end of the session, once. Returns whether the page leaves the rest to this module.
function end(why) {
  isOver = 1;
  isRead = wish = hasActivity = 0;
  reason ||= why || "unknown";
  hide();
  const focused = document.activeElement;
  const event = new CustomEvent("logintimeout", { cancelable: true, detail: { reason } });
  const isLeftToUs = document.dispatchEvent(event);
  if (isLeftToUs && !isQuiet) show("end");
  blank(options.blank, focused);
  return isLeftToUs;
}

// Hides an element without an inline style. In a layer, `!important` wins over all of the page.
function blank(selector, focused) {
  if (!blankSheet) document.adoptedStyleSheets.push((blankSheet = new CSSStyleSheet()));
  if (selector) blanked = [scrollX, scrollY, focused];
  if (selector === true) selector = "body";
  blankSheet.replaceSync(selector ? `@layer ${NAME}{${selector}{display:none!important}}` : "");
  if (!selector && blanked) {
    // The page is scrolled below. Firefox would scroll to what is focused after that.
    blanked[2].focus({ preventScroll: 1 });
    blanked = scrollTo(...blanked);
  }
}

// Resolves to whether a refused request may be repeated.
async function signIn(why) {
  const hasHook = typeof options.login == "function";
  if (!signingIn) {
    isQuiet = hasHook;
    // The refusal took the cookie, so the status will not say why.
    reason ||= why;
    await ask();
    // It was refused before a log-in in another tab, or for another session than the page's.
    if (status.state == "active" && !failures) return true;
  }
  if (!isOver) end(why);
  if (hasHook && !view) callHook();
  // Nobody would see what it waits for.
  return (hasHook || !isRead) && wait();
}

function wait() {
  return (signingIn ||= new Promise((resolve) => {
    decide = (mayRepeat) => {
      signingIn = 0;
      resolve(mayRepeat);
    };
  }));
}

async function callHook() {
  if (isHookBusy) return;
  isHookBusy = 1;
  hide();
  wait();
  try {
    await options.login(reason);
    await ask();
    if (isOver && !failures) throw 0;
  } catch {
    decide();
    if (isOver) show("end");
  }
  isHookBusy = 0;
}

function leave() {
  if (options.loginUrl) location.assign(options.loginUrl);
  // The server answers with its page that shows the way back in.
  else location.reload();
}

// htmx 2, htmx 4 and Turbo would show the body of a 440 in the page, or nothing.
function leaveIfRefused(event) {
  const { xhr, ctx, fetchResponse } = event.detail;
  const response = xhr || (ctx?.response.raw ?? fetchResponse?.response);
  const isHover = fetchResponse && event.target.localName == "a";
  if (response.status != STATUS || isHover || !isOwn(response.responseURL ?? response.url)) return;
  event.preventDefault();
  const why = xhr ? xhr.getResponseHeader(REASON) : response.headers.get(REASON);
  isQuiet = 1;
  if (isOver || end(why)) leave();
}

function isOwn(url) {
  return new URL(url, document.baseURI).origin == location.origin;
}

function wrap() {
  globalThis.fetch = patientFetch;
  globalThis.XMLHttpRequest = PatientXhr;
}

async function patientFetch(input, init) {
  const request = new Request(input, init);
  if (!watchers || !isOwn(request.url)) return nativeFetch(request);
  const copy = request.clone();
  const response = await nativeFetch(request);
  if (response.status != STATUS) return response;
  const { signal } = request;
  const aborted = new Promise((_, reject) => (signal.onabort = () => reject(signal.reason)));
  const mayRepeat = await Promise.race([signIn(response.headers.get(REASON)), aborted]);
  return mayRepeat ? nativeFetch(copy) : response;
}

class PatientXhr extends NativeXhr {
  #address;
  #headers;
  #body;
  #turn = 0; // Another one after `open` or `abort`: then nothing waits any more.
  #isWaiting;
  #isDone; // One repetition is enough.

  constructor() {
    super();
    // These come first, so that nobody else sees the answer that will be replaced.
    for (const type of ["readystatechange", "progress", "load", "loadend"]) {
      this.addEventListener(type, (event) => this.#hold(event));
    }
  }

  open(...address) {
    this.#address = address;
    this.#headers = [];
    this.#turn++;
    // A synchronous request cannot wait.
    this.#isDone = !watchers || address[2] === false || !isOwn(address[1]);
    this.#isWaiting = 0;
    super.open(...address);
  }

  setRequestHeader(...header) {
    super.setRequestHeader(...header);
    this.#headers.push(header);
  }

  send(body) {
    this.#body = body;
    super.send(body);
  }

  abort() {
    this.#turn++;
    super.abort();
    if (this.#isWaiting) this.#tell("abort", "loadend");
  }

  #hold(event) {
    if (this.#isDone || this.status != STATUS || this.readyState < 2) return;
    event.stopImmediatePropagation();
    if (event.type != "loadend") return;
    const turn = this.#turn;
    this.#isWaiting = 1;
    signIn(this.getResponseHeader(REASON)).then((mayRepeat) => {
      if (turn != this.#turn) return;
      if (mayRepeat) this.#repeat();
      else this.#tell("readystatechange", "load", "loadend");
    });
  }

  #repeat() {
    const headers = this.#headers;
    this.open(...this.#address);
    this.#isDone = 1;
    for (const header of headers) this.setRequestHeader(...header);
    this.send(this.#body);
  }

  #tell(...types) {
    this.#isDone = 1;
    this.#isWaiting = 0;
    for (const type of types) this.dispatchEvent(new ProgressEvent(type));
  }
}

function show(kind) {
  if (view == kind) return;
  hide();
  text = { ...WORDS, ...ownTexts(), ...options.texts };
  // Outside the body, where neither blanking nor Turbo removes it.
  document.documentElement.append(host);

  view = kind;
  lastMark = -1;
  const mine = (dialog = add(root, "dialog", "dialog"));
  dialog.lang = text.lang;
  dialog.dir = text.dir;
  const title = add(dialog, "h2", "title", kind == "end" ? text.ended : text.title);
  add(dialog, "p", "text", kind == "end" ? text[reason] || text.again : text[kind]);
  clock = add(dialog, "p", "clock");
  clock.ariaHidden = true;
  live = add(dialog, "p", "live");
  trouble = add(dialog, "p", "trouble");
  live.ariaLive = trouble.ariaLive = "polite";
  const buttons = add(dialog, "div", "buttons");
  const button = (part, label, onclick) => (add(buttons, "button", part, label).onclick = onclick);
  const close = () => dialog.close();
  if (kind == "warn") button("stay", text.stay, () => ask("POST"));
  if (kind == "limit") button("ok", text.ok, close);
  if (kind == "end") {
    button("login", text.login, login);
    if (!options.blank) button("ok", text.ok, close);
    // Somebody may be typing. Enter must not lead away from what was typed.
    title.tabIndex = -1;
    title.autofocus = true;
  } else button("leave", text.leave, () => ask("DELETE"));
  dialog.setAttribute("aria-labelledby", (title.id = "title"));
  dialog.setAttribute("aria-describedby", "text live");
  dialog.onclose = () => dialog == mine && closed();
  render(deadline - now());
  dialog.showModal();
}

function hide() {
  view = 0;
  const old = dialog;
  dialog = null;
  // It gives the focus back.
  old?.close();
  old?.remove();
}

// After Escape, or OK.
function closed() {
  const kind = view;
  hide();
  // Nothing else is left to see.
  if (kind == "end" && options.blank) show(kind);
  else if (kind == "warn") ask("POST");
  else {
    isRead = 1;
    if (kind == "limit") channel?.postMessage({ isRead });
    else decide?.();
  }
}

function login() {
  if (options.login == "popup") {
    popup = open(options.loginUrl || location.href, NAME, "popup");
  } else if (options.login) callHook();
  else leave();
}

function add(parent, name, part, content) {
  const element = document.createElement(name);
  element.part = element.id = part;
  if (content) element.textContent = content;
  parent.append(element);
  return element;
}

function render(left) {
  if (!view) return;
  // Nothing is written again as it is, so that nothing is announced again.
  const write = (element, words) => {
    if (element.textContent != words) element.textContent = words;
  };
  write(trouble, failures && (wish || left <= 0) ? text.trouble : "");
  if (view == "end") return;
  const seconds = Math.max(0, Math.ceil(left / 1000));
  const pad = `${seconds % 60}`.padStart(2, 0);
  write(clock, isDoubtful() ? "" : `${text.left} ${(seconds / 60) | 0}:${pad}`);
  const mark = [10, 30, 60].find((most) => seconds <= most);
  if (mark != lastMark && !isDoubtful()) {
    lastMark = mark;
    const [unit, count] = seconds < 120 ? ["second", seconds] : ["minute", (seconds / 60) | 0];
    const format = new Intl.NumberFormat(text.lang, { style: "unit", unit, unitDisplay: "long" });
    write(live, `${text.left} ${format.format(count)}`);
  }
}

function ownTexts() {
  const tags = [options.lang || document.documentElement.lang, ...navigator.languages, "en"];
  return tags.map((tag) => table?.[tag.toLowerCase().split("-")[0]]).find(Boolean);
}

// For when login-timeout.texts.js cannot be loaded.
const WORDS = {
  lang: "en",
  dir: "ltr",
  title: "You will be signed out soon",
  warn: "Do you want to stay signed in?",
  limit: "Please save your work.",
  left: "Time left:",
  stay: "Stay signed in",
  leave: "Sign out",
  ok: "OK",
  trouble: "We cannot reach our server.",
  ended: "You have been signed out",
  again: "Please sign in again.",
  login: "Sign in again",
};

const CSS = `
dialog {
  box-sizing: border-box;
  width: 30rem;
  max-width: calc(100% - 1rem);
  padding: 1.5rem;
  border: 1px solid;
  border-radius: .75rem;
  font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
  color-scheme: light dark;
  color: CanvasText;
  background: Canvas;
}
::backdrop { background: #000a }
h2, p { margin: 0 0 .75rem }
h2 { outline: 0 }
#clock { font-size: 1.5rem }
#live { position: absolute; clip-path: inset(50%) }
#trouble { font-weight: bold }
#buttons { display: flex; flex-wrap: wrap; gap: .75rem }
button {
  flex: auto;
  padding: .75rem 1rem;
  border: 2px solid CanvasText;
  border-radius: .75rem;
  font: inherit;
  color: CanvasText;
  background: Canvas;
  forced-color-adjust: none;
}
button:first-child { color: Canvas; background: CanvasText }
button:focus-visible { outline: 3px solid CanvasText; outline-offset: 2px }
`;

const host = document.createElement(NAME);
const root = host.attachShadow({ mode: "open" });
const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);
root.adoptedStyleSheets = [sheet];

// `<script type="module" src=".../login-timeout.js" data-activity>` starts by itself.
const script = [...document.scripts].find((script) => script.src == import.meta.url);
if (script) {
  const own = {};
  for (const name in script.dataset) own[name] = script.dataset[name] || true;
  watch(own);
}
