// The page beside the program, both on Chromium's own SwiftShader.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { browser, open, output, serve } from "./support.mjs";

const program = process.env.WGPO_PROGRAM ?? join(dirname(fileURLToPath(import.meta.url)), "../../target/debug/wgpo");
const driver = process.env.SWIFTSHADER_ICD ?? "/usr/lib/chromium/vk_swiftshader_icd.json";
const there = (file) => access(file).then(() => true, () => false);

/** The tensors of a safetensors file: their shapes and bytes. */
function tensors(bytes) {
    const length = Number(bytes.readBigUInt64LE());
    const { __metadata__: _, ...header } = JSON.parse(bytes.toString("utf8", 8, 8 + length));
    const of = ({ dtype, shape, data_offsets: [from, to] }) => ({ dtype, shape, hex: bytes.subarray(8 + length + from, 8 + length + to).toString("hex") });
    return Object.fromEntries(Object.entries(header).map(([name, tensor]) => [name, of(tensor)]));
}

test("an update of PPO in the browser and natively gives the same bits", async (t) => {
    for (const file of [program, driver]) {
        if (await there(file)) continue;
        // CI has both.
        assert.ok(!process.env.REQUIRE_WEB, `${file} is missing`);
        t.skip(`no ${file}: build the program, or name it with WGPO_PROGRAM; name SwiftShader's description with SWIFTSHADER_ICD`);
        return;
    }
    const folder = await mkdtemp(join(tmpdir(), "wgpo-native-"));
    const site = await serve();
    const chrome = await browser();
    try {
        const settings = ["--hidden", "32,32", "--seed", "1", "--steps", "1024", "--adapter", "swiftshader"];
        const { stdout, stderr } = await promisify(execFile)(program, ["train", "cartpole", ...settings, "--out", join(folder, "run")], {
            env: { ...process.env, VK_DRIVER_FILES: driver },
        });
        console.log((stdout + stderr).split("\n").find((line) => /SwiftShader/.test(line)));
        const native = tensors(await readFile(join(folder, "run/policy.safetensors")));

        const { page } = await open(chrome.context, site, "#train?env=cartpole&algorithm=ppo&preset=tuned&seed=1&hidden=32,32");
        await page.click("#step");
        await page.waitForFunction(() => /one iteration/.test(document.getElementById("status").textContent), null, { timeout: 90_000 });
        const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
        await saved.saveAs(`${output}/one-update.safetensors`);
        const inBrowser = tensors(await readFile(`${output}/one-update.safetensors`));

        assert.deepEqual(Object.keys(inBrowser).sort(), Object.keys(native).sort());
        const numbers = Object.values(native).reduce((sum, { hex }) => sum + hex.length / 8, 0);
        assert.ok(numbers > 2000, `${numbers} numbers`);
        for (const [name, tensor] of Object.entries(native)) assert.deepEqual(inBrowser[name], tensor, name);
        console.log(`${numbers} numbers in ${Object.keys(native).length} tensors are the same, bit for bit`);
    } finally {
        await chrome.close();
        await site.close();
        await rm(folder, { recursive: true, force: true });
    }
});
