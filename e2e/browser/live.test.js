// The map page against a real world: bots over real sockets, a zone that splits while they play.
//
// DARKAGES names the command (cargo build --release --bin darkages), PICTURE a file to save the README's picture to;
// WORKLOAD, PLAYERS, SPLIT_AT and SECONDS make another run.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, openPage, pixels, until } from "./browser.js";
import { start } from "./server.js";

const PROGRAM = process.env.DARKAGES ?? "../../target/release/darkages";
const WORKLOAD = process.env.WORKLOAD ?? "gather";
const PLAYERS = Number(process.env.PLAYERS ?? 90);
const SPLIT_AT = Number(process.env.SPLIT_AT ?? 60);
const SECONDS = Number(process.env.SECONDS ?? 20);

let browser;

before(async () => { browser = await openBrowser(); });
after(async () => { await browser?.close(); });

test("the map shows a real world as it splits", { timeout: (SECONDS + 90) * 1000 }, async () => {
  const flags = `local --players ${PLAYERS} --split-at ${SPLIT_AT} --workload ${WORKLOAD} --seconds ${SECONDS} --http 127.0.0.1:0 --json`;
  const world = await start(PROGRAM, flags.split(" "));
  const { page, complaints } = await openPage(browser, world.url);
  try {
    const first = await until(page, (now) => now.dots > 0, 20_000);
    assert.ok(first.dots <= PLAYERS);
    const split = await until(page, (now) => now.zones >= 2, SECONDS * 1000);
    assert.ok(split.events >= 1);
    await until(page, (now) => now.dots === PLAYERS, SECONDS * 1000);
    const rows = await page.$$eval("#rows tr", (list) => list.map((row) => row.innerText));
    assert.ok(rows.length >= 2 && rows.every((row) => /s\d+\s+zone-\d+/.test(row)), rows.join("; "));
    assert.ok((await page.$$eval("#events .kind", (list) => list.map((kind) => kind.textContent))).includes("split"));
    const { painted, counts } = await pixels(page);
    assert.ok(painted > 0.3 && counts.filter((count) => count > 100).length >= 2, `${painted} ${counts}`);
    if (process.env.PICTURE) await picture(page);
    assert.deepEqual(complaints, []);
  } finally {
    await page.context().close();
    await world.stop("SIGINT");
  }
});

/** The moment after the split that makes four zones, or the last one before the bots leave. */
async function picture(page) {
  await until(page, (now) => now.zones >= 4 || now.dots < PLAYERS * 0.97, SECONDS * 1000);
  await page.waitForTimeout(400);
  await page.screenshot({ path: process.env.PICTURE });
}
