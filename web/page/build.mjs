// Makes the page: node web/page/build.mjs FOLDER, where FOLDER has the two modules with their JavaScript. What it makes is in web/dist.
import { build } from "esbuild";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const page = dirname(fileURLToPath(import.meta.url));
const dist = join(page, "../dist");
const records = join(page, "../../benches/record");
const [bound] = process.argv.slice(2);
if (!bound) {
    console.error("error: name the folder of the modules train and measure");
    process.exit(1);
}

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, "records"), { recursive: true });
await build({
    entryPoints: [join(page, "main.ts"), join(page, "worker.ts")],
    outdir: dist,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "linked",
    logLevel: "warning",
});
await cp(join(page, "index.html"), join(dist, "index.html"));
for (const module of ["train", "measure"]) {
    for (const name of [`${module}.js`, `${module}_bg.wasm`]) await cp(join(bound, name), join(dist, name));
}

// Records of the repository, newest first, with a line for each.
const list = [];
for (const name of await readdir(records, { recursive: true })) {
    if (!name.endsWith(".json")) continue;
    const record = JSON.parse(await readFile(join(records, name), "utf8"));
    if (record.format !== 1 || !Array.isArray(record.rows)) continue;
    const file = relative(records, join(records, name)).split(sep).join("/");
    const { adapter, api, backend } = record.place;
    const day = basename(name, ".json");
    const label = `${day} · ${[adapter ?? backend, api].filter(Boolean).join(", ")}${record.quick ? " · quick" : ""}`;
    await mkdir(dirname(join(dist, "records", file)), { recursive: true });
    await writeFile(join(dist, "records", file), JSON.stringify(record));
    list.push({ file, label, date: record.date });
}
list.sort((a, b) => b.date.localeCompare(a.date) || b.file.localeCompare(a.file));
await writeFile(join(dist, "records/index.json"), JSON.stringify(list.map(({ file, label }) => ({ file, label }))));
console.log(`web/dist: ${list.length} records, the page and the modules`);
