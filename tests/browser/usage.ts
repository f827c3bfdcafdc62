// How pages use the module. `types.test.mjs` checks it; nothing runs it.

import { check, loginTimeoutFetch, watch, type Options, type Status } from "/session/login-timeout.js";

const stop: () => void = watch();

const options: Options = {
  warnBefore: 120_000,
  activity: true,
  touchEvery: 20_000,
  blank: "main",
  wrap: true,
  login: async (reason) => {
    const text: string = reason;
    if (reason === "absolute" || reason === "moved") console.log(text);
  },
  loginUrl: "/login",
  lang: "de",
  texts: { title: "Noch da?", dir: "ltr" },
};
watch(options);
watch({ login: "popup", blank: true });

document.addEventListener("logintimeout", (event) => {
  event.preventDefault();
  const reason: string = event.detail.reason;
  console.log(reason);
});

const status: Partial<Status> = await check();
if (status.state === "active") console.log((status.remainingMs ?? Infinity) / 1000);

const response: Response = await loginTimeoutFetch("/api", { method: "POST", body: "x" });
console.log(response.status);
stop();

// @ts-expect-error A time is a number.
watch({ warnBefore: "2 minutes" });
// @ts-expect-error There is no such option.
watch({ warnAfter: 1 });
// @ts-expect-error There is no such text.
watch({ texts: { headline: "x" } });
// @ts-expect-error There is no such state.
if (status.state === "ended") stop();
