// The failure modes: a small chart for each variant, on one scale.

import type { Remote } from "comlink";
import { byId, el } from "../dom";
import type { Catalogue, ModeInfo } from "../words";
import type { Modes } from "../engine/modes";
import { Chart } from "./chart";

export class ModesView {
    readonly #modes: Remote<Modes>;
    readonly #known: ModeInfo[];
    readonly #fail: (error: unknown) => void;
    readonly #select = byId<HTMLSelectElement>("mode");
    readonly #run = byId<HTMLButtonElement>("mode-run");
    #charts = new Map<string, Chart>();
    #running = false;

    constructor(modes: Remote<Modes>, catalogue: Catalogue, fail: (error: unknown) => void) {
        this.#modes = modes;
        this.#known = catalogue.failure_modes;
        this.#fail = fail;
        this.#select.replaceChildren(...this.#known.map((mode) => el("option", { value: mode.number }, mode.title)));
        this.#select.addEventListener("change", () => void this.#stop().then(() => this.#show()));
        this.#run.addEventListener("click", () => void (this.#running ? this.#stop() : this.#go()));
        this.#show();
    }

    /** All variants are done, or another activity took the device. */
    stopped(): void {
        this.#running = false;
        this.#run.textContent = "Run all variants";
        byId("mode-status").textContent = "stopped";
    }

    takeIn(variant: string, updates: number[], rewards: number[]): void {
        updates.forEach((update, index) => this.#charts.get(variant)?.push(update, [rewards[index] ?? null]));
        byId("mode-status").textContent = `update ${updates.at(-1) ?? 0}`;
        // The scale is that of all.
        for (const chart of this.#charts.values()) chart.redraw();
    }

    async #go(): Promise<void> {
        const mode = this.#mode();
        const number = (id: string) => Number(byId<HTMLInputElement>(id).value);
        this.#show();
        this.#running = true;
        this.#run.textContent = "Stop";
        byId("mode-status").textContent = "compiles the kernels …";
        try {
            const variants = mode.variants.map((variant) => variant.key);
            await this.#modes.go(mode.number, variants, number("mode-seed"), number("mode-updates"));
        } catch (error) {
            this.stopped();
            this.#fail(error);
        }
    }

    async #stop(): Promise<void> {
        if (this.#running) await this.#modes.stop().catch(() => {});
    }

    #mode(): ModeInfo {
        const mode = this.#known.find((mode) => String(mode.number) === this.#select.value) ?? this.#known[0];
        if (!mode) throw new Error("the module has no failure modes");
        return mode;
    }

    #show(): void {
        if (this.#known.length === 0) return;
        const charts = this.#mode().variants.map((variant): [string, Chart] => [
            variant.key,
            new Chart(variant.label, [{ label: "mean reward", colour: "curve" }], () => this.#scale()),
        ]);
        this.#charts = new Map(charts);
        byId("mode-charts").replaceChildren(...[...this.#charts.values()].map((chart) => chart.element));
    }

    /** From the smallest to the largest reward of all variants. */
    #scale(): [number, number] {
        const extents = [...this.#charts.values()].map((chart) => chart.extent()).filter((extent) => extent !== null);
        if (extents.length === 0) return [0, 1];
        const [low, high] = [Math.min(...extents.map(([low]) => low)), Math.max(...extents.map(([, high]) => high))];
        const margin = 0.05 * (high - low || 1);
        return [low - margin, high + margin];
    }
}
