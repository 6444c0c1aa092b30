// How fast the page is beside the program, both on Chromium's SwiftShader, in turns: node web/bench.mjs [ROW …]
//
// WGPO_PROGRAM names the program (default target/release/wgpo), TURNS how often each has its turn (3), SECONDS how long a row is measured (1).
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { browser, open, serve } from "./tests/support.mjs";

const { WGPO_PROGRAM, TURNS = "3", SECONDS = "1", SWIFTSHADER_ICD = "/usr/lib/chromium/vk_swiftshader_icd.json" } = process.env;
const program = WGPO_PROGRAM ?? join(dirname(fileURLToPath(import.meta.url)), "../target/release/wgpo");
const rows = process.argv.length > 2 ? process.argv.slice(2) : ["ppo_step/cartpole", "train/cartpole"];
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

async function native(row, folder) {
    const file = join(folder, "native.json");
    const options = ["bench", "--quick", "--adapter", "swiftshader", "--only", row, "--seconds", SECONDS, "--json", file];
    await promisify(execFile)(program, options, { env: { ...process.env, VK_DRIVER_FILES: SWIFTSHADER_ICD } });
    return JSON.parse(await readFile(file, "utf8"));
}

async function page(row, context, site) {
    const { page } = await open(context, site, `#bench?seconds=${SECONDS}&only=${row}`);
    await page.click("#bench-run");
    await page.waitForFunction(() => /[✓✗]|error|lost/.test(document.getElementById("bench-status").textContent), null, { timeout: 280_000 });
    const record = await page.evaluate(() => window.wgpo.benching.record());
    await page.close();
    return record;
}

const folder = await mkdtemp(join(tmpdir(), "wgpo-speed-"));
const site = await serve();
const chrome = await browser();
try {
    console.log(`${cpus()[0]?.model}, ${cpus().length} CPUs, load ${loadavg()[0]}`);
    for (const row of rows) {
        const times = { native: [], page: [] };
        for (let turn = 0; turn < Number(TURNS); turn++) {
            for (const [who, record] of [["native", await native(row, folder)], ["page", await page(row, chrome.context, site)]]) {
                const found = record.rows.find(({ name }) => name === row);
                if (!found?.passed) throw new Error(`${who}: ${row} is missing or wrong`);
                // The host's clock on both sides: a page has no other.
                times[who].push(found.wall_seconds.median);
                if (turn === 0) console.log(`${row}, ${who}: ${record.place.adapter}, ${found.shape}`);
            }
        }
        const [fast, slow] = [median(times.native), median(times.page)];
        const list = (who) => times[who].map((seconds) => (1000 * seconds).toFixed(2)).join(" ");
        console.log(`${row}: native ${list("native")} ms, page ${list("page")} ms; the page has ${(fast / slow).toFixed(2)} × the speed (medians)`);
    }
} finally {
    await chrome.close();
    await site.close();
    await rm(folder, { recursive: true, force: true });
}
