// The view Bench.

import type { Remote } from "comlink";
import { byId, download, el, sentence } from "../dom";
import { percent, scaled, time } from "../format";
import type { BenchRecord, DeviceInfo } from "../words";
import type { Benching } from "../engine/bench";
import { browser } from "./browser";
import { compared } from "./compare";
import { roofline } from "./roofline";
import { shares } from "./shares";
import { rowTable } from "./table";

interface Known {
    file: string;
    label: string;
}

export class BenchView {
    readonly #benching: Remote<Benching>;
    readonly #changed: () => void;
    readonly #fail: (error: unknown) => void;
    readonly #run = byId<HTMLButtonElement>("bench-run");
    readonly #fields = {
        sizes: byId<HTMLSelectElement>("bench-sizes"),
        seconds: byId<HTMLInputElement>("bench-seconds"),
        only: byId<HTMLInputElement>("bench-only"),
        beside: byId<HTMLSelectElement>("bench-beside"),
    };
    #running = false;
    #own: BenchRecord | undefined;
    #beside: BenchRecord | undefined;
    /** The record of a file, with its name. */
    #yours: { record: BenchRecord; name: string } | undefined;
    /** What the address wants beside it, until the list is there. */
    #wanted = "";

    constructor(benching: Remote<Benching>, changed: () => void, fail: (error: unknown) => void) {
        this.#benching = benching;
        this.#changed = changed;
        this.#fail = fail;
        const { sizes, seconds, only, beside } = this.#fields;
        this.#run.addEventListener("click", () => void (this.#running ? benching.stop() : this.#go()));
        for (const field of [sizes, seconds, only]) field.addEventListener("change", changed);
        beside.addEventListener("change", () => void this.#choose());
        byId("bench-json").addEventListener("click", () => this.#save());
        const input = byId<HTMLInputElement>("bench-file-input");
        byId("bench-file").addEventListener("click", () => input.click());
        input.addEventListener("change", () => void this.#file(input));
        void this.#list();
        // The picture has letters of a size that can be read at any width.
        let before = width();
        addEventListener("resize", () => {
            if (width() !== before) this.#show();
            before = width();
        });
    }

    take(words: URLSearchParams): void {
        const { sizes, seconds, only } = this.#fields;
        sizes.value = words.get("sizes") === "full" ? "full" : "quick";
        seconds.value = words.get("seconds") ?? "0.5";
        only.value = words.get("only") ?? "";
        this.#wanted = words.get("beside") ?? "";
        this.#want();
    }

    words(): URLSearchParams {
        const { sizes, seconds, only, beside } = this.#fields;
        const words = new URLSearchParams();
        if (sizes.value === "full") words.set("sizes", "full");
        if (seconds.value !== "0.5") words.set("seconds", seconds.value);
        if (only.value) words.set("only", only.value);
        const file = beside.value || this.#wanted;
        if (file && file !== "yours") words.set("beside", file);
        return words;
    }

    device(info: DeviceInfo | undefined): void {
        byId("bench-place").textContent = info
            ? `Here: ${info.name || "a device that the browser does not name"} in ${browser()}.`
            : "There is no device.";
    }

    async #go(): Promise<void> {
        const { sizes, seconds, only } = this.#fields;
        this.#running = true;
        this.#run.textContent = "Stop";
        const bar = byId<HTMLProgressElement>("bench-progress");
        bar.value = 0;
        this.#say("begins …", true);
        try {
            await this.#benching.begin({
                quick: sizes.value === "quick",
                seconds: Number(seconds.value),
                only: only.value.trim() || null,
                browser: browser(),
            });
            this.#say("measures the limits of the device …", true);
            for (;;) {
                const progress = await this.#benching.next();
                if (progress === null) {
                    this.#say("stopped; a record is whole or not at all");
                    break;
                }
                bar.max = progress.of;
                bar.value = progress.done;
                this.#say(progress.what, true);
                if (progress.finished) {
                    this.#own = await this.#benching.record();
                    const failed = this.#own.rows.filter((row) => !row.passed).length;
                    this.#say(failed ? `✗ done; ${failed} rows did not match the reference` : `✓ done: ${this.#own.rows.length} rows`);
                    byId<HTMLButtonElement>("bench-json").disabled = false;
                    this.#show();
                    break;
                }
            }
            await this.#benching.stop();
        } catch (error) {
            const lost = error instanceof Error && error.name === "DeviceLost";
            this.#say(lost ? "the device was lost; measure again with a new one" : "stopped by an error");
            this.#fail(error);
        } finally {
            this.#running = false;
            this.#run.textContent = "Measure";
        }
    }

    /** The records that came with the page. */
    async #list(): Promise<void> {
        try {
            const answer = await fetch("records/index.json");
            if (!answer.ok) return;
            const known = (await answer.json()) as Known[];
            this.#fields.beside.append(...known.map(({ file, label }) => el("option", { value: file }, label)));
            this.#want();
        } catch {
            // Without records there is nothing to choose.
        }
    }

    #want(): void {
        const { beside } = this.#fields;
        if (!this.#wanted || ![...beside.options].some((option) => option.value === this.#wanted)) return;
        beside.value = this.#wanted;
        this.#wanted = "";
        void this.#choose();
    }

    async #choose(): Promise<void> {
        const { value } = this.#fields.beside;
        const yours = value === "yours" ? this.#yours : undefined;
        this.#beside = yours?.record;
        byId("bench-beside-note").textContent = yours?.name ?? "";
        this.#changed();
        if (value && value !== "yours") {
            try {
                const read = record(await (await fetch(`records/${value}`)).text());
                // Another was chosen meanwhile.
                if (this.#fields.beside.value !== value) return;
                this.#beside = read;
            } catch (error) {
                this.#fail(`${value}: ${sentence(error)}`);
            }
        }
        this.#show();
    }

    async #file(input: HTMLInputElement): Promise<void> {
        const file = input.files?.[0];
        input.value = "";
        if (!file) return;
        try {
            this.#yours = { record: record(await file.text()), name: file.name };
        } catch (error) {
            this.#fail(`${file.name}: ${sentence(error)}`);
            return;
        }
        const { beside } = this.#fields;
        if (![...beside.options].some((option) => option.value === "yours")) beside.append(el("option", { value: "yours" }, "yours"));
        beside.value = "yours";
        await this.#choose();
    }

    #save(): void {
        const own = this.#own;
        if (own) download(`wgpo-bench-${own.date}.json`, "application/json", `${JSON.stringify(own, null, 2)}\n`);
    }

    /** The own record, if there is one, and the other beside it. */
    #show(): void {
        const shown = this.#own ?? this.#beside;
        const result = byId("bench-result");
        if (!shown) {
            result.replaceChildren();
            return;
        }
        const parts = [described(shown, this.#own ? "This measurement" : "The record")];
        if (this.#own && this.#beside) parts.push(compared(this.#beside, this.#own));
        parts.push(roofline(shown, width()), shares(shown), rowTable(shown));
        result.replaceChildren(...parts);
    }

    #say(text: string, busy = false): void {
        byId("bench-status").textContent = text;
        // Who listens hears how it ended, not every piece.
        byId("bench-status").setAttribute("aria-busy", String(busy));
    }
}

/** Width of the picture's own pixels: about those of the screen, in steps. */
function width(): number {
    return Math.max(320, Math.min(1080, 40 * Math.floor((document.documentElement.clientWidth - 50) / 40)));
}

/** The record of a text, or a sentence why it is none. */
function record(text: string): BenchRecord {
    const read = JSON.parse(text) as BenchRecord;
    if (read?.format !== 1) throw new Error("this is no record of format 1, see docs/bench-format.md");
    if (!Array.isArray(read.rows) || !read.place || !read.roof) throw new Error("this record lacks its place, its roof or its rows");
    return read;
}

function described(record: BenchRecord, title: string): HTMLElement {
    const { place, roof } = record;
    const facts: [string, string][] = [
        ["Device", [place.adapter, place.api, place.device_type].filter(Boolean).join(", ") || place.backend],
        ["Driver", [place.driver, place.driver_info].filter(Boolean).join(", ") || "not named"],
        ["Kernels of networks", place.kernels ?? "–"],
        ["Measured", `${record.date}, wgpo ${record.wgpo}, ${record.quick ? "quick sizes" : "full sizes"}, ${record.seconds_per_row} s a row`],
        ["Memory", `${scaled(roof.bytes_per_second)}B/s`],
        ["Arithmetic", `${scaled(roof.flops_per_second)}FLOP/s`],
        ["A dispatch", time(roof.dispatch_seconds)],
        ["A submission", time(roof.submission_seconds)],
        ["A read-back", time(roof.readback_seconds)],
    ];
    const load = record.load ? [["Other processes", `${percent(record.load.other_cpus / record.load.cpus)} of the CPUs`] as [string, string]] : [];
    const list = [...facts, ...load].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
    return el("section", { class: "panel" }, el("h3", {}, title), el("dl", { class: "place" }, ...list));
}
