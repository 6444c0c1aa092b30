// The view Bench, with the real module in a real browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { browser, open, output, serve } from "./support.mjs";

test("quick sizes give every row, the pictures and a record of the documented format", async () => {
    const site = await serve();
    const chrome = await browser();
    try {
        const { page, errors } = await open(chrome.context, site, "#bench?seconds=0.01");
        assert.match(await page.textContent("#bench-place"), /Chrom/);
        const begun = Date.now();
        await page.click("#bench-run");
        await page.waitForFunction(() => /[✓✗]|error|lost/.test(document.getElementById("bench-status").textContent), null, {
            timeout: 280_000,
        });
        const status = await page.textContent("#bench-status");
        console.log(`${status} in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
        assert.match(status, /^✓ done/);
        const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#bench-json")]);
        await saved.saveAs(`${output}/bench.json`);
        const record = JSON.parse(await readFile(`${output}/bench.json`, "utf8"));
        console.log(JSON.stringify(record.place));
        const docs = await readFile(new URL("../../docs/bench-format.md", import.meta.url), "utf8");
        const [top = "", place = "", roof = "", row = ""] = docs.split(/^## /m).map((part) => part);
        const keys = (part) => [...part.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, names]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name));
        for (const [part, holds] of [[top, record], [place, record.place], [roof, record.roof]]) {
            for (const key of keys(part)) assert.ok(key in holds, `the record has "${key}"`);
        }
        for (const key of keys(row)) for (const one of record.rows) assert.ok(key in one, `row ${one.name} has "${key}"`);
        assert.equal(record.format, 1);
        assert.equal(record.quick, true);
        assert.equal(record.place.backend, "gpu");
        const names = record.rows.map(({ name }) => name);
        assert.equal(new Set(names).size, names.length);
        assert.ok(names.includes("ppo_step/cartpole") && names.includes("train/cartpole"));
        for (const { name, passed, seconds } of record.rows) assert.ok(passed && seconds.median > 0, name);
        assert.equal(await page.$$eval("#bench-table tbody tr", (rows) => rows.length), names.length);
        const timed = record.rows.filter(({ flops_per_second, flops, bytes }) => flops_per_second && flops > 0 && bytes > 0);
        assert.equal(await page.$$eval(".roofline circle", (dots) => dots.length), timed.length);
        const wholes = record.rows.filter(({ name, kernels }) => !name.startsWith("kernel/") && kernels.length > 1);
        assert.equal(await page.$$eval(".shares .strip", (strips) => strips.length), wholes.length);
        assert.ok(wholes.length > 3);

        // Beside itself nothing differs; beside a record of the repository the page says that it is of another device.
        await page.setInputFiles("#bench-file-input", `${output}/bench.json`);
        await page.waitForSelector("#compare-table");
        assert.equal(await page.$$eval("#compare-table tbody tr", (rows) => rows.length), names.length);
        assert.equal(await page.$$eval("#compare-table .good, #compare-table .bad", (rows) => rows.length), 0);
        await page.selectOption("#bench-beside", { index: 1 });
        await page.waitForFunction(() => /another device/.test(document.getElementById("bench-result").textContent));
        assert.match(await page.evaluate(() => location.hash), /beside=/);
        await page.screenshot({ path: `${output}/bench-1280.png`, fullPage: true });
        assert.deepEqual(errors, []);
    } finally {
        await chrome.close();
        await site.close();
    }
});
