// The view Check, with the real module in a real browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { browser, open, output, serve } from "./support.mjs";

test("all rows pass, also over a loss of the device, and the JSON has them", async () => {
    const site = await serve();
    const chrome = await browser();
    try {
        const { page, errors } = await open(chrome.context, site, "#check");
        const begun = Date.now();
        await page.click("#check-run");
        await page.waitForFunction(() => document.querySelectorAll("#check-rows tr").length >= 10, null, { timeout: 60_000 });
        await page.click("#device summary");
        await page.click("#device-lose");
        await page.click("#message-again");
        await page.waitForFunction(() => /all|FAILED/.test(document.getElementById("check-status").textContent), null, {
            timeout: 240_000,
        });
        const status = await page.textContent("#check-status");
        console.log(`${status} in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
        await page.screenshot({ path: `${output}/check-1280.png` });
        const failed = await page.$$eval("#check-rows tr.failed", (rows) => rows.map((row) => row.textContent));
        assert.deepEqual(failed, []);
        assert.match(status, /all \d+ rows passed/);
        const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#check-json")]);
        await saved.saveAs(`${output}/check.json`);
        const report = JSON.parse(await readFile(`${output}/check.json`, "utf8"));
        assert.equal(report.passed, true);
        assert.equal(report.adapters[0].rows.length, Number(/\d+/.exec(status)[0]));
        assert.equal(await page.$$eval("#check-rows tr", (rows) => rows.length), report.adapters[0].rows.length);
        assert.deepEqual(errors, []);
    } finally {
        await chrome.close();
        await site.close();
    }
});
