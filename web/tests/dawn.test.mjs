// The same module under Node with Dawn, Chrome's WebGPU without a browser: every row of `wgpo check`.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { dist } from "./support.mjs";

/** Dawn refuses lavapipe before Mesa 23, so SwiftShader comes next. */
function drivers() {
    if (process.env.DAWN_DRIVER) return [process.env.DAWN_DRIVER];
    const folder = "/usr/share/vulkan/icd.d";
    const lavapipe = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("lvp_icd")) : [];
    return [...lavapipe.map((name) => join(folder, name)), "/usr/lib/chromium/vk_swiftshader_icd.json"].filter((file) => existsSync(file));
}

/** Adapter and globals as a browser would have them; the driver is read once by a process, so the first that works is chosen by trying. */
async function begin() {
    const { create, globals } = await import("webgpu");
    for (const driver of drivers()) {
        process.env.VK_DRIVER_FILES = driver;
        const gpu = create([]);
        const adapter = await gpu.requestAdapter();
        if (!adapter) {
            console.log(`${driver}: refused by Dawn`);
            continue;
        }
        Object.assign(globalThis, globals);
        globalThis.Window = class {
            static [Symbol.hasInstance]() {
                return true;
            }
        };
        globalThis.window = globalThis;
        Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
        console.log(`${driver}: ${adapter.info.description || adapter.info.device || adapter.info.vendor}`);
        return;
    }
    throw new Error("Dawn found no driver that it takes; name one with DAWN_DRIVER");
}

test("every row of the check passes under Dawn", async () => {
    await begin();
    const folder = await mkdtemp(join(tmpdir(), "wgpo-dawn-"));
    try {
        await cp(join(dist, "wgpo_web.js"), join(folder, "wgpo_web.js"));
        await writeFile(join(folder, "package.json"), '{"type":"module"}');
        const wasm = await import(pathToFileURL(join(folder, "wgpo_web.js")).href);
        await wasm.default({ module_or_path: readFileSync(join(dist, "wgpo_web_bg.wasm")) });
        const device = await wasm.Device.request(JSON.stringify({ kernels: "auto" }));
        console.log(device.infoJson());
        const names = JSON.parse(wasm.Check.namesJson(true));
        const rows = [];
        const begun = performance.now();
        let told = begun;
        for (let index = 0; index < names.length; index++) {
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
