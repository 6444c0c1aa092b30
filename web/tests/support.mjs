// What the tests share: a server of web/dist on this machine, and Chromium with WebGPU on SwiftShader.
import { chromium } from "playwright-core";
import { createServer } from "node:http";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const dist = join(here, "../dist");
export const output = join(here, "output");
await mkdir(output, { recursive: true });

const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".txt": "text/plain",
};

/** Serves `folder` below a path of its own: the page must work from any. */
export async function serve(folder = dist) {
    const prefix = "/any/path/";
    const server = createServer(async (request, answer) => {
        const { pathname } = new URL(request.url, "http://localhost");
        const inside = pathname.startsWith(prefix) ? normalize(pathname.slice(prefix.length)) : "..";
        try {
            if (inside.startsWith("..")) throw new Error("outside");
            const file = join(folder, inside === "." || inside === "" ? "index.html" : inside);
            const content = await readFile(file);
            answer.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(content);
        } catch {
            answer.writeHead(404).end();
        }
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const origin = `http://127.0.0.1:${server.address().port}`;
    return { origin, url: `${origin}${prefix}`, close: () => new Promise((done) => server.close(done)) };
}

/** A browser of its own; without `webgpu` it has none. */
export async function browser({ webgpu = true, ...options } = {}) {
    const folder = await mkdtemp(join(tmpdir(), "wgpo-chromium-"));
    const args = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
    const context = await chromium.launchPersistentContext(folder, {
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        headless: true,
        chromiumSandbox: false,
        viewport: { width: 1280, height: 900 },
        args: webgpu ? [...args, ...gpu] : args,
        ...options,
    });
    return {
        context,
        close: async () => {
            await context.close();
            await rm(folder, { recursive: true, force: true });
        },
    };
}

/** A page at `hash`, whose device is there. Errors and requests of the page are in its lists. */
export async function open(context, site, hash = "", { ready = true } = {}) {
    const page = await context.newPage();
    const errors = [];
    const requests = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
        if (message.type() === "error") errors.push(message.text());
    });
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(`${site.url}${hash}`);
    if (ready) await page.waitForFunction(() => document.documentElement.dataset.ready === "yes", null, { timeout: 60_000 });
    return { page, errors, requests };
}

/** What a canvas shows. */
export function pixels(page, selector) {
    return page.$eval(selector, (canvas) => canvas.toDataURL());
}
