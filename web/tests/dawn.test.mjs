// The same module under Node with Dawn, Chrome's WebGPU without a browser: a row of each kernel on SwiftShader, whose other rows a browser computes
// in check.test.mjs, or every row of `wgpo check` on the driver that DAWN_DRIVER names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { dist } from "./support.mjs";

/** Adapter and globals as a browser would have them. */
async function begin() {
    const { create, globals } = await import("webgpu");
    const driver = process.env.DAWN_DRIVER || "/usr/lib/chromium/vk_swiftshader_icd.json";
    process.env.VK_DRIVER_FILES = driver;
    const gpu = create([]);
    const adapter = await gpu.requestAdapter();
    assert.ok(adapter, `${driver}: no driver that Dawn takes; name one with DAWN_DRIVER`);
    Object.assign(globalThis, globals);
    // wgpu asks whether it is in a window or in a worker.
    globalThis.Window = class {
        static [Symbol.hasInstance]() {
            return true;
        }
    };
    globalThis.window = globalThis;
    Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
    console.log(`${driver}: ${adapter.info.description || adapter.info.device || adapter.info.vendor}`);
}

test("the check passes under Dawn", async () => {
    await begin();
    const folder = await mkdtemp(join(tmpdir(), "wgpo-dawn-"));
    try {
        await cp(join(dist, "measure.js"), join(folder, "measure.js"));
        await writeFile(join(folder, "package.json"), '{"type":"module"}');
        const wasm = await import(pathToFileURL(join(folder, "measure.js")).href);
        await wasm.default({ module_or_path: readFileSync(join(dist, "measure_bg.wasm")) });
        const device = await wasm.Device.request(JSON.stringify({ kernels: "auto" }));
        console.log(device.infoJson());
        const names = JSON.parse(wasm.Check.namesJson(true));
        const rows = [];
        const begun = performance.now();
        let told = begun;
        for (const [index, { kernel }] of names.entries()) {
            if (!process.env.DAWN_DRIVER && rows.some((row) => row.kernel === kernel)) continue;
            rows.push(JSON.parse(await wasm.Check.run(device, index, true)));
            if (performance.now() - told < 20_000) continue;
            told = performance.now();
            console.log(`${rows.length} of ${names.length} rows after ${((told - begun) / 1000).toFixed(0)} s`);
        }
        console.log(`${rows.length} rows in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
        assert.deepEqual(rows.filter(({ passed }) => !passed), []);
        assert.equal(JSON.parse(wasm.Check.reportJson(device, JSON.stringify(rows))).passed, true);
    } finally {
        await rm(folder, { recursive: true, force: true });
    }
    // Dawn's threads would keep the process alive.
    setTimeout(() => process.exit(), 500);
});
