// Starts a program that prints the address of its map page, and ends it.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const START_WITHIN_MS = 30_000;
const LINES_KEPT = 50;

/** Runs `command` and resolves to `{ url, said, over, stop }` when a line of its output has an http address. */
export async function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  const over = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${command} printed no address`)), START_WITHIN_MS);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${said.join("\n")}`)));
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        said.push(line);
        if (said.length > LINES_KEPT) said.shift();
        const found = line.match(/https?:\/\/[^\s"]+:\d+/);
        if (found) { clearTimeout(late); resolve(found[0]); }
      });
    }
  });
  return {
    url,
    said,
    over,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return over;
    },
  };
}
