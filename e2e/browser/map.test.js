// The map page against a made-up world: what it draws, how it takes a split, and what it says when the server goes.
//
// MADE_UP_WORLD names the program that serves it (cargo build -p darkages-directory --example made_up_world).
// SCREENSHOT names a file to save a picture of the page to.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, openPage, pixels, shown, until } from "./browser.js";
import { start } from "./server.js";

const PROGRAM = process.env.MADE_UP_WORLD ?? "../../target/debug/examples/made_up_world";
const PLAYERS = 640;

let browser;
let world;

before(async () => {
  world = await start(PROGRAM, ["127.0.0.1:0", String(PLAYERS)]);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

test("the map draws zones and players, and a split as it happens", { timeout: 90_000 }, async () => {
  const { page, complaints } = await openPage(browser, world.url);
  const first = await until(page, (now) => now.zones >= 1 && now.dots > 0, 10_000);
  assert.equal(first.zones, 1, "the world begins with one zone");
  const alone = await pixels(page);
  assert.ok(alone.painted > 0.3, `the zone covers the map: ${alone.painted}`);

  await until(page, (now) => now.dots === PLAYERS, 15_000);
  const split = await until(page, (now) => now.zones >= 2, 15_000);
  assert.ok(split.events >= 1);
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length >= 2);
  assert.match(await page.textContent("#events li .kind"), /split/);
  assert.equal(Number((await page.textContent("#players")).replace(/\D/g, "")), PLAYERS);
  const { counts } = await pixels(page);
  assert.ok(counts.length >= 2 && counts.every((count) => count > 300), `each zone is drawn in its colour: ${counts}`);
  assert.match(await page.getAttribute("#map", "aria-label"), /Map of the world: \d+ zone/);

  if (process.env.SCREENSHOT) {
    await until(page, (now) => now.zones >= 4, 40_000);
    await page.waitForTimeout(350);
    await page.screenshot({ path: process.env.SCREENSHOT });
  }
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("a thousand dots and the page still paints", { timeout: 60_000 }, async () => {
  const { page, complaints } = await openPage(browser, world.url);
  await until(page, (now) => now.dots === PLAYERS, 15_000);
  // The machine of the test paints without a graphics card and shares its cores, so this only catches a page that stands still.
  const painted = await page.evaluate(() => new Promise((resolve) => {
    let frames = 0;
    const start = performance.now();
    const count = (now) => { frames++; now - start < 2000 ? requestAnimationFrame(count) : resolve(frames / ((now - start) / 1000)); };
    requestAnimationFrame(count);
  }));
  assert.ok(painted > 8, `${painted.toFixed(1)} frames a second`);
  console.log(`painted ${painted.toFixed(1)} frames a second`);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("on a telephone nothing is wider than the screen", { timeout: 60_000 }, async () => {
  const { page, complaints } = await openPage(browser, world.url, { viewport: { width: 390, height: 800 } });
  await until(page, (now) => now.zones >= 1, 10_000);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} pixels wide`);
  assert.ok((await page.locator("#map").boundingBox()).height > 250);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT.replace(/\.png$/, "-small.png"), fullPage: true });
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("the page says that the connection is lost", { timeout: 60_000 }, async () => {
  const own = await start(PROGRAM, ["127.0.0.1:0", "50"]);
  const { page } = await openPage(browser, own.url);
  await until(page, (now) => now.link === "live" && now.zones >= 1, 10_000);
  await own.stop("SIGKILL");
  await until(page, (now) => now.link === "lost", 10_000);
  assert.ok(await page.locator("#banner").isVisible());
  assert.equal((await shown(page)).zones >= 1, true, "the last picture stays");
  await page.context().close();
});
