// What holds for every view: readable at any width, in light and dark, by keyboard and by screen readers; and what is said without WebGPU.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser, open, output, serve } from "./support.mjs";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const VIEWS = ["train", "check", "bench"];
let site;
let chrome;
before(async () => {
    site = await serve();
    chrome = await browser();
});
after(async () => {
    await chrome?.close();
    await site?.close();
});

/** The three views filled as far as is quick. */
async function filled(view, options) {
    const hash = { train: "#train?hidden=16", check: "#check", bench: "#bench?beside=llvmpipe%2F2026-11-25c.json" }[view];
    const { page, errors } = await open(chrome.context, site, hash);
    await page.emulateMedia({ colorScheme: options.scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: options.width, height: 900 });
    if (view === "train") {
        await page.click("#step");
        await page.waitForFunction(() => /one iteration/.test(document.getElementById("status").textContent), null, { timeout: 20_000 });
    }
    if (view === "check") {
        await page.click("#check-run");
        await page.waitForFunction(() => document.querySelectorAll("#check-rows tr").length >= 3, null, { timeout: 30_000 });
        await page.click("#check-run");
        await page.waitForFunction(() => /stopped/.test(document.getElementById("check-status").textContent), null, { timeout: 30_000 });
    }
    if (view === "bench") await page.waitForSelector(".roofline");
    return { page, errors };
}

async function violations(page) {
    await page.evaluate(await (await import("node:fs/promises")).readFile(axe, "utf8"));
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
}

for (const view of VIEWS) {
    test(`${view}: no violation by axe in light and dark, no sideways scroll at 360 px`, async () => {
        for (const scheme of ["light", "dark"]) {
            const { page, errors } = await filled(view, { width: 1280, scheme });
            assert.deepEqual(await violations(page), [], `1280 px, ${scheme}`);
            // Of Bench with its pictures.
            if (view === "bench") await page.setViewportSize({ width: 1280, height: 1100 });
            await page.screenshot({ path: `${output}/${view}-1280-${scheme}.png` });
            await page.setViewportSize({ width: 360, height: 740 });
            await page.waitForTimeout(300);
            const { wide, room } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, room: innerWidth }));
            assert.ok(wide <= room, `${view} is ${wide} px wide at ${room}`);
            assert.deepEqual(await violations(page), [], `360 px, ${scheme}`);
            await page.screenshot({ path: `${output}/${view}-360-${scheme}.png`, fullPage: view === "train" });
            assert.deepEqual(errors, []);
            await page.close();
        }
    });
}

test("nothing jumps while it begins and trains", async () => {
    const { page } = await open(chrome.context, site, "#train?hidden=16", { ready: false });
    const shift = await page.evaluate(async () => {
        const wait = (ms) => new Promise((done) => setTimeout(done, ms));
        let sum = 0;
        const add = (list) => list.getEntries().forEach((entry) => (sum += entry.hadRecentInput ? 0 : entry.value));
        new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
        while (document.documentElement.dataset.ready !== "yes") await wait(50);
        document.getElementById("run").click();
        await wait(2500);
        document.getElementById("run").click();
        await wait(500);
        return sum;
    });
    console.log(`layout shift ${shift.toFixed(4)}`);
    assert.ok(shift < 0.02, `a layout shift of ${shift}`);
    await page.close();
});

test("by keyboard: tabs, the device's panel, a run", async () => {
    const { page } = await open(chrome.context, site, "#train?hidden=16");
    await page.focus("#tab-train");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(() => document.activeElement.id), "tab-check");
    assert.ok(await page.isVisible("#view-check"));
    assert.match(await page.evaluate(() => location.hash), /^#check/);
    await page.keyboard.press("End");
    assert.ok(await page.isVisible("#view-bench"));
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.isVisible("#view-train"));
    await page.focus("#device summary");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#device-facts dt");
    await page.keyboard.press("Escape");
    assert.ok(!(await page.isVisible("#device-facts")));
    await page.focus("#run");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /\d/.test(document.getElementById("fact-updates").textContent), null, { timeout: 20_000 });
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /paused/.test(document.getElementById("status").textContent));
    await page.close();
});

test("buttons pressed at once: one has the device, and a stop counts before the begin", async () => {
    const { page, errors } = await open(chrome.context, site, "#train?hidden=16");
    const status = (id, pattern) =>
        page.waitForFunction(([id, source]) => new RegExp(source).test(document.getElementById(id).textContent), [id, pattern], { timeout: 60_000 });
    await status("status", "ready");
    await page.evaluate(() => {
        document.getElementById("bench-only").value = "ppo_step/cartpole";
        for (const id of ["run", "check-run", "bench-run", "mode-run"]) document.getElementById(id).click();
    });
    const active = () => ["run", "check-run", "bench-run", "mode-run"].filter((id) => /Stop|Pause/.test(document.getElementById(id).textContent));
    const atMost = async (count) => {
        const end = Date.now() + 60_000;
        while ((await page.evaluate(active)).length > count && Date.now() < end) await page.waitForTimeout(200);
    };
    await atMost(1);
    await page.waitForTimeout(1000);
    const left = await page.evaluate(active);
    console.log(`the device is with ${left.join() || "nobody"}`);
    assert.ok(left.length <= 1, left.join());
    await page.evaluate((left) => left.forEach((id) => document.getElementById(id).click()), left);
    await atMost(0);
    assert.deepEqual(await page.evaluate(active), []);

    await page.evaluate(() => ["check-run", "check-run"].forEach((id) => document.getElementById(id).click()));
    await status("check-status", "stopped after 0 ");

    // Other settings while an iteration is done: the run is replaced after it, not under it.
    await page.evaluate(() => {
        document.getElementById("step").click();
        const seed = document.getElementById("seed");
        seed.value = 9;
        seed.dispatchEvent(new Event("change"));
    });
    await status("status", "ready");
    assert.ok(!(await page.isVisible("#message")), await page.textContent("#message-text"));

    // Two choices in a row: the last one counts, and the run goes on.
    await page.click("#run");
    await status("fact-updates", "\\d");
    await page.evaluate(() => {
        const kernels = document.getElementById("device-kernels");
        for (const value of ["plain", "direct"]) {
            kernels.value = value;
            kernels.dispatchEvent(new Event("change"));
        }
    });
    await page.waitForFunction(() => /goes on/.test(document.getElementById("status").textContent) && document.getElementById("run").textContent === "Pause", null, {
        timeout: 60_000,
    });
    assert.match(page.url(), /kernels=direct/);
    assert.deepEqual(errors, []);
    await page.close();
});

test("without WebGPU the page says so, and what to try", async () => {
    const plain = await browser({ webgpu: false });
    try {
        const { page } = await open(plain.context, site, "", { ready: false });
        await page.waitForSelector("#absent:not([hidden])", { timeout: 20_000 });
        const why = await page.textContent("#absent-why");
        console.log(`without WebGPU: ${why}`);
        assert.match(why, /WebGPU|adapter/i);
        assert.ok(!(await page.isVisible("#view-train")));
        assert.deepEqual(await violations(page), []);
        await page.screenshot({ path: `${output}/absent.png` });

        const none = await plain.context.newPage();
        await none.addInitScript(() => delete Navigator.prototype.gpu);
        await none.goto(site.url);
        await none.waitForSelector("#absent:not([hidden])");
        assert.match(await none.textContent("#absent-why"), /no WebGPU/);
    } finally {
        await plain.close();
    }
});
