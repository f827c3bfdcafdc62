// Each state of the dialog in each surrounding: without findings of axe-core, readable, reachable.
//
// Pictures of them go to `screenshots/`, for a person to look at.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { advance, dialogOf, openPage, press, setUp, settle, site, watching } from "./harness.mjs";

setUp();

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = new URL("screenshots/", import.meta.url);
mkdirSync(PICTURES, { recursive: true });

const desktop = { width: 900, height: 600 };
const surroundings = {
  light: {},
  dark: { media: { "prefers-color-scheme": "dark" } },
  "right-to-left": { lang: "ar" },
  "right-to-left, dark": { lang: "ar", media: { "prefers-color-scheme": "dark" } },
  "320 px": { viewport: { width: 320, height: 640 } },
  "320 px, German": { viewport: { width: 320, height: 640 }, lang: "de" },
  "400 % zoom": { viewport: { width: 320, height: 256, deviceScaleFactor: 4 } },
  "large text": { viewport: { width: 640, height: 600 }, fontSize: "200%" },
  "forced colors": { media: { "forced-colors": "active", "prefers-color-scheme": "dark" } },
  Japanese: { lang: "ja" },
};

const states = {
  warn: async (page) => advance(240_000, page),
  limit: async (page) => advance(240_000, page),
  trouble: async (page) => {
    await advance(240_000, page);
    site.isFailing = true;
    await press(page, "stay");
    await advance(3_000, page);
  },
  end: async (page) => advance(301_000, page),
  "end, blanked": async (page) => {
    await page.evaluate(() => void watch({ blank: true }));
    await advance(301_000, page);
  },
};
for (const [where, surrounding] of Object.entries(surroundings)) {
  const { media = {}, viewport = desktop, lang, fontSize } = surrounding;
  for (const state of Object.keys(states)) {
    test(`${where}: ${state}`, async () => {
      if (state == "limit") await site.reset("absolute=300000");
      const page = await openPage(watching(), { lang });
      const session = await page.createCDPSession();
      const features = Object.entries(media).map(([name, value]) => ({ name, value }));
      await session.send("Emulation.setEmulatedMedia", { features });
      await page.setViewport(viewport);
      if (fontSize) {
        await page.evaluate((size) => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`html { font-size: ${size} }`);
          document.adoptedStyleSheets.push(sheet);
        }, fontSize);
      }
      await states[state](page);
      assert.ok(await dialogOf(page));
      const path = new URL(`${where}, ${state}.png`.replace(/[%, ]+/g, "-"), PICTURES).pathname;
      await page.screenshot({ path });

      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => axe.run(document));
      const findings = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
      assert.deepEqual(findings, []);

      const { overflow, heights, reach, contrasts } = await page.evaluate(measure);
      // axe-core cannot tell what is behind most of the texts.
      assert.ok(contrasts.length >= 3);
      for (const [name, ratio] of contrasts) assert.ok(ratio >= 4.5, `${name}: ${ratio}`);
      assert.deepEqual(overflow, [], "nothing scrolls sideways");
      for (const height of heights) assert.ok(height >= 44, `a button is ${height} px high`);
      assert.ok(reach, "every button can be scrolled to");
    });
  }
}

test("nothing moves", async () => {
  const page = await openPage(watching());
  await advance(240_000, page);
  const moves = await page.evaluate(() => {
    const { shadowRoot } = document.querySelector("login-timeout");
    return [...shadowRoot.querySelectorAll("*")].map((element) => {
      const { animationName, transitionDuration } = getComputedStyle(element);
      return `${animationName} ${transitionDuration}`;
    });
  });
  assert.deepEqual([...new Set(moves)], ["none 0s"]);
});

test("styles of the page do not reach the dialog, but through its parts", async () => {
  const page = await openPage(watching());
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      body *, login-timeout { color: red !important; font-size: 5px }
      button { display: none }
      login-timeout::part(stay) { background: rgb(0, 80, 0); color: rgb(255, 255, 255) }
    `);
    document.adoptedStyleSheets.push(sheet);
  });
  await advance(240_000, page);
  const got = await page.evaluate(() => {
    const { shadowRoot } = document.querySelector("login-timeout");
    const style = (part) => getComputedStyle(shadowRoot.querySelector(`[part=${part}]`));
    return [style("text").color, style("text").fontSize, style("stay").backgroundColor];
  });
  assert.deepEqual(got, ["rgb(0, 0, 0)", "16px", "rgb(0, 80, 0)"]);
  await press(page, "stay");
  await settle(page);
});

test("colors that are forced keep the buttons apart, and their labels readable", async () => {
  const page = await openPage(watching());
  const session = await page.createCDPSession();
  const features = [{ name: "forced-colors", value: "active" }];
  await session.send("Emulation.setEmulatedMedia", { features });
  await advance(240_000, page);
  const buttons = await page.evaluate(() => {
    const { shadowRoot } = document.querySelector("login-timeout");
    const { backgroundColor: behind } = getComputedStyle(shadowRoot.querySelector("dialog"));
    return [...shadowRoot.querySelectorAll("button")].map((button) => {
      const { borderTopColor, backgroundColor, color, forcedColorAdjust } = getComputedStyle(button);
      return { behind, borderTopColor, backgroundColor, color, forcedColorAdjust };
    });
  });
  for (const { behind, borderTopColor, backgroundColor, color, forcedColorAdjust } of buttons) {
    assert.notEqual(borderTopColor, behind);
    assert.notEqual(color, backgroundColor);
    // Or else the browser paints the page's background behind each label.
    assert.equal(forcedColorAdjust, "none");
  }
});

function measure() {
  const { shadowRoot } = document.querySelector("login-timeout");
  const dialog = shadowRoot.querySelector("dialog");
  const boxes = [document.documentElement, dialog, ...dialog.querySelectorAll("*")];
  const isSeen = (element) => element.part?.value != "live";
  const overflow = boxes
    .filter((box) => isSeen(box) && box.scrollWidth > box.clientWidth + 1)
    .map((box) => `${box.localName} ${box.part?.value}: ${box.scrollWidth} > ${box.clientWidth}`);
  const buttons = [...dialog.querySelectorAll("button")];
  const reach = buttons.every((button) => {
    button.focus();
    const { top, bottom, left, right } = button.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth;
  });
  const heights = buttons.map((button) => button.getBoundingClientRect().height);
  const contrasts = [...dialog.querySelectorAll("h2, p, button")]
    .filter((element) => element.textContent)
    .map((element) => {
      const behind = element.localName == "button" ? element : dialog;
      const light = luminance(getComputedStyle(element).color);
      const dark = luminance(getComputedStyle(behind).backgroundColor);
      const ratio = (Math.max(light, dark) + 0.05) / (Math.min(light, dark) + 0.05);
      return [element.part.value, ratio];
    });
  return { overflow, heights, reach, contrasts };

  function luminance(color) {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [red, green, blue] = parts.map((part) => {
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
}
