// One live curve, or a few, over environment steps.

import uPlot from "uplot";
import { colour, el, onTheme } from "../dom";
import { digits, scaled } from "../format";

/** Above that many points neighbours are averaged, so that long runs stay quick. */
const POINTS = 1500;

/** Curves are drawn that often, in ms. */
const EVERY = 250;

export interface Curve {
    label: string;
    colour: string;
    dash?: number[];
    width?: number;
}

export class Chart {
    readonly element: HTMLElement;
    readonly #value = el("span", { class: "value" }, "–");
    readonly #plot = el("div", { class: "plot", role: "img" });
    readonly #curves: Curve[];
    readonly #title: string;
    #range: (() => [number, number]) | undefined;
    #data: (number | null)[][];
    #drawn: uPlot | undefined;
    #asked = false;
    #drawnAt = 0;

    constructor(title: string, curves: Curve[], range?: () => [number, number]) {
        this.#title = title;
        this.#curves = curves;
        this.#range = range;
        this.#data = [[], ...curves.map(() => [])];
        this.element = el("figure", { class: "panel chart" }, el("figcaption", {}, el("span", {}, title), this.#value), this.#plot);
        onTheme(() => this.#make());
        new ResizeObserver(() => this.#fit()).observe(this.#plot);
        this.#say();
    }

    push(x: number, values: (number | null)[]): void {
        // After a loss of the device a run goes on from an earlier step.
        while ((this.#data[0]?.at(-1) ?? -Infinity) >= x) for (const values of this.#data) values.pop();
        this.#data[0]?.push(x);
        values.forEach((value, index) => this.#data[index + 1]?.push(value));
        if ((this.#data[0]?.length ?? 0) > POINTS) this.#data = this.#data.map(halved);
        this.redraw();
    }

    clear(): void {
        this.#data = this.#data.map(() => []);
        this.redraw();
    }

    /** The smallest and the largest value of the curves. */
    extent(): [number, number] | null {
        const values = this.#data.slice(1).flat().filter((value) => value !== null);
        return values.length ? [Math.min(...values), Math.max(...values)] : null;
    }

    /** Soon, and not too often. In the background nothing is drawn. */
    redraw(): void {
        if (this.#asked) return;
        this.#asked = true;
        const wait = Math.max(0, this.#drawnAt + EVERY - performance.now());
        setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
    }

    #draw(): void {
        this.#asked = false;
        this.#drawnAt = performance.now();
        this.#drawn?.setData(this.#data as uPlot.AlignedData);
        this.#say();
    }

    #say(index?: number | null): void {
        const at = index ?? (this.#data[0]?.length ?? 0) - 1;
        const x = this.#data[0]?.[at];
        const values = this.#curves
            .filter((curve) => !curve.dash)
            .map((_, curve) => digits(this.#data[curve + 1]?.[at]))
            .join(" · ");
        this.#value.textContent = x === undefined || x === null ? "–" : index != null ? `${values} at ${scaled(x)}` : values;
        if (index == null) this.#plot.setAttribute("aria-label", `${this.#title}: ${this.#value.textContent}`);
    }

    #fit(): void {
        const { clientWidth: width, clientHeight: height } = this.#plot;
        if (width === 0 || height === 0) return;
        if (this.#drawn) this.#drawn.setSize({ width, height });
        else this.#make();
    }

    #make(): void {
        const { clientWidth: width, clientHeight: height } = this.#plot;
        if (width === 0 || height === 0) return;
        this.#drawn?.destroy();
        const axis = {
            stroke: colour("faint"),
            font: "11px system-ui, sans-serif",
            grid: { stroke: colour("grid"), width: 1 },
            ticks: { show: false },
        };
        const options: uPlot.Options = {
            width,
            height,
            padding: [6, 8, 0, 0],
            legend: { show: false },
            cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
            // Before the first point there are axes, too: nothing jumps when it comes.
            scales: {
                x: { time: false, range: (_, low, high) => (low == null ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high]) },
                y: { range: this.#range ?? ((_, low, high) => (low == null ? [0, 1] : uPlot.rangeNum(low, high, 0.1, true))) },
            },
            axes: [
                { ...axis, size: 22, space: 60, values: (_, ticks) => ticks.map(short) },
                { ...axis, size: 46, space: height > 180 ? 44 : 28, values: (_, ticks) => ticks.map(short) },
            ],
            series: [
                {},
                ...this.#curves.map((curve) => ({
                    label: curve.label,
                    stroke: colour(curve.colour),
                    width: curve.width ?? 1.6,
                    spanGaps: true,
                    // A lone point has no line that would show it.
                    points: { show: (plot: uPlot) => (plot.data[0]?.length ?? 0) < 3, size: 5 },
                    ...(curve.dash && { dash: curve.dash }),
                })),
            ],
            hooks: { setCursor: [(plot) => this.#say(plot.cursor.idx ?? null)] },
        };
        this.#drawn = new uPlot(options, this.#data as uPlot.AlignedData, this.#plot);
    }
}

/** A tick in few letters. */
function short(value: number): string {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
    if (size > 0 && size < 1e-3) return value.toExponential(0).replace("-", "−");
    return String(+value.toPrecision(4)).replace("-", "−");
}

/** Means of neighbours. */
function halved(values: (number | null)[]): (number | null)[] {
    return Array.from({ length: Math.ceil(values.length / 2) }, (_, index) => {
        const pair = values.slice(2 * index, 2 * index + 2).filter((value) => value !== null);
        return pair.length ? pair.reduce((sum, value) => sum + value, 0) / pair.length : null;
    });
}
