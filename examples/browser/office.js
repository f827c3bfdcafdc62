// The page of the harbour office: its table, its stream, its fragment, its form, and the log-in
// that keeps all of them.

import { check, watch } from "/session/login-timeout.js";

const POLL_EVERY = 3_000;
const find = (selector) => document.querySelector(selector);

// Typing extends the session. A request that is refused waits for `signInAgain`, and is repeated.
watch({ activity: true, touchEvery: 10_000, wrap: true, login: signInAgain, loginUrl: "/login" });

// Resolves when the user has signed in again, and rejects when it was given up.
function signInAgain() {
  const dialog = find("#again");
  const form = dialog.querySelector("form");
  const coming = new AbortController();
  dialog.showModal();
  return new Promise((resolve, reject) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const answer = await send(form);
      find("#wrong").textContent = answer.ok ? "" : "That is not the password.";
      if (answer.ok) resolve();
    };
    find("#later").onclick = () => dialog.close();
    dialog.onclose = reject;
    // Perhaps the user has signed in in another tab, and comes back to this one.
    const look = async () => (await check()).state == "active" && resolve();
    document.addEventListener("visibilitychange", look, coming);
  }).finally(() => {
    coming.abort();
    form.reset();
    dialog.close();
  });
}

function send(form) {
  return fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
}

// Puts the part of an answer into the page that has the same name there.
async function show(answer, name) {
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  find(name).replaceChildren(...page.querySelector(name).childNodes);
}

find("#notice").addEventListener("submit", async (event) => {
  event.preventDefault();
  await show(await send(event.target), "#saved");
});

for (const link of document.querySelectorAll("[data-into]")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    await show(await fetch(link.href), link.dataset.into);
  });
}

function listen() {
  const source = new EventSource("/radio");
  const say = (words) => {
    const line = document.createElement("li");
    line.textContent = words;
    find("#radio").prepend(line);
    find("#radio").children[4]?.remove();
  };
  source.onmessage = ({ data }) => say(data);
  source.addEventListener("login-timeout", ({ data }) => {
    source.close();
    say(`The stream has ended: ${JSON.parse(data).reason}.`);
  });
  return source;
}

let radio = listen();
let isOver = false;
document.addEventListener("logintimeout", () => (isOver = true));
for (;;) {
  await new Promise((done) => setTimeout(done, POLL_EVERY));
  try {
    // Somebody who does not want to sign in now must not be asked with each poll.
    if (isOver && (await check()).state != "active") continue;
    isOver = false;
    await show(await fetch("/berths"), "#berths");
    if (!isOver && radio.readyState == EventSource.CLOSED) radio = listen();
  } catch {
    // The server does not answer. The next poll tries again.
  }
}
