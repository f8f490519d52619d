// A headless Chromium of the system (CHROMIUM names another one) and a page whose every complaint is kept.

import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
];

/** Opens a browser; the caller closes it. */
export async function openBrowser() {
  const { existsSync } = await import("node:fs");
  const executablePath = [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
  if (!executablePath) throw new Error(`no Chromium at ${PLACES.join(", ")}: install it or set CHROMIUM to its path`);
  return chromium.launch({ executablePath, args: FLAGS });
}

/** Opens a page that remembers errors of scripts, failed requests and whatever asks for another host. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => { if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(`asked ${request.url()}`); });
  await page.goto(url);
  return { page, complaints };
}

/** What the map says it shows. */
export async function shown(page) {
  return page.$eval("#map", ({ dataset }) => ({
    zones: Number(dataset.zones), dots: Number(dataset.dots), events: Number(dataset.events), link: dataset.link,
  }));
}

/** Waits until `condition(shown)` holds. */
export async function until(page, condition, timeout) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const now = await shown(page);
    if (condition(now)) return now;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(now)} after ${timeout} ms, waiting for ${condition}`);
    await page.waitForTimeout(50);
  }
}

/** Looks at the map's pixels: the share that is painted at all, and how many have the colour of each row of the table. */
export async function pixels(page) {
  return page.$eval("#map", (canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const hue = (r, g, b) => Math.atan2(Math.sqrt(3) * (g - b), 2 * r - g - b);
    const rows = [...document.querySelectorAll("#rows .dot")].map((dot) => hue(...dot.style.backgroundColor.match(/\d+/g).map(Number)));
    const counts = rows.map(() => 0);
    let painted = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.subarray(i, i + 4);
      if (a < 8) continue;
      painted++;
      if (a < 100 || Math.max(r, g, b) - Math.min(r, g, b) < 60) continue;
      const own = hue(r, g, b);
      rows.forEach((row, index) => { if (Math.abs(Math.sin((own - row) / 2)) < 0.06) counts[index]++; });
    }
    return { painted: painted / (canvas.width * canvas.height), counts };
  });
}
