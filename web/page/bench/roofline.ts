// Rows under the roofline: how near each is to what the device can do.

import { el, svg } from "../dom";
import { digits, percent, scaled, time } from "../format";
import type { BenchRecord, BenchRow } from "../words";
import { kernelOf, legend, stage } from "./stages";

const HEIGHT = 480;
const EDGE = { left: 62, right: 14, top: 26, bottom: 48 };

interface Point {
    row: BenchRow;
    x: number;
    y: number;
}

/** The figure, `width` wide, with a point for every row that was timed. */
export function roofline(record: BenchRecord, width: number): HTMLElement {
    const points: Point[] = record.rows.flatMap((row) =>
        row.flops_per_second && row.flops > 0 && row.bytes > 0 ? [{ row, x: row.flops / row.bytes, y: row.flops_per_second }] : [],
    );
    const { bytes_per_second: bandwidth, flops_per_second: peak } = record.roof;
    const ridge = peak / bandwidth;
    const xs = decades([ridge / 10, ridge * 10, ...points.map((point) => point.x)]);
    const ys = decades([peak / 100, peak * 1.2, ...points.map((point) => point.y)]);
    const across = (x: number) => EDGE.left + (Math.log(x / xs[0]) / Math.log(xs[1] / xs[0])) * (width - EDGE.left - EDGE.right);
    const down = (y: number) => HEIGHT - EDGE.bottom - (Math.log(y / ys[0]) / Math.log(ys[1] / ys[0])) * (HEIGHT - EDGE.top - EDGE.bottom);
    const start = Math.max(xs[0], ys[0] / bandwidth);
    const roof = [[start, start * bandwidth], [ridge, peak], [xs[1], peak]] as const;
    const dots = points.toSorted((a, b) => Number(!kernelOf(a.row.name)) - Number(!kernelOf(b.row.name))).map(({ row, x, y }) => {
        const kernel = kernelOf(row.name);
        const words = `${row.name} (${row.shape}): ${time(row.seconds?.median)}, ${scaled(y)}FLOP/s, ${digits(x)} FLOP/B, ${percent(row.roof_share)} of the roof`;
        const shape = { cx: across(x), cy: down(y), r: kernel ? 4 : 6, ...(kernel ? { fill: stage(kernel).colour } : { class: "whole" }) };
        return svg("circle", shape, svg("title", {}, words));
    });
    const whole = points.filter(({ row }) => !kernelOf(row.name));
    const summary = `Roofline of ${points.length} rows. Memory ${scaled(bandwidth)}B/s, arithmetic ${scaled(peak)}FLOP/s. The table below has every number.`;
    const picture = svg(
        "svg",
        { class: "roofline", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary },
        ...grid(xs, ys, across, down, width),
        svg("polyline", { class: "roof", points: roof.map(([x, y]) => `${across(x)},${down(y)}`).join(" ") }),
        svg("text", { x: across(xs[1]) - 6, y: down(peak) - 8, "text-anchor": "end", class: "faint" }, "arithmetic"),
        svg("text", { x: across(start) + 26, y: down(start * bandwidth) - 2, class: "faint" }, "memory"),
        svg("g", { class: "dots" }, ...dots),
        ...names(whole, across, down, width),
    );
    const kernels = record.rows.map((row) => kernelOf(row.name)).filter((kernel) => kernel !== undefined);
    return el(
        "section",
        { class: "panel" },
        el("h3", {}, "How near to what the device can do"),
        el("p", { class: "note" }, "Rings are whole pieces, dots are single kernels. Hold the pointer over one to read it."),
        picture,
        legend(kernels),
    );
}

/** Whole powers of ten round `values`. */
function decades(values: number[]): [number, number] {
    return [10 ** Math.floor(Math.log10(Math.min(...values))), 10 ** Math.ceil(Math.log10(Math.max(...values)))];
}

function tens([low, high]: [number, number]): number[] {
    const first = Math.round(Math.log10(low));
    return Array.from({ length: Math.round(Math.log10(high)) - first + 1 }, (_, step) => 10 ** (first + step));
}

function grid(xs: [number, number], ys: [number, number], across: (x: number) => number, down: (y: number) => number, width: number): SVGElement[] {
    const [top, bottom] = [EDGE.top, HEIGHT - EDGE.bottom];
    const [left, right] = [EDGE.left, width - EDGE.right];
    return [
        ...tens(xs).flatMap((x) => [
            svg("line", { class: "grid", x1: across(x), x2: across(x), y1: top, y2: bottom }),
            svg("text", { x: across(x), y: bottom + 18, "text-anchor": "middle" }, x < 1 ? String(+x.toPrecision(1)) : scaled10(x)),
        ]),
        ...tens(ys).flatMap((y) => [
            svg("line", { class: "grid", x1: left, x2: right, y1: down(y), y2: down(y) }),
            svg("text", { x: left - 8, y: down(y) + 4, "text-anchor": "end" }, scaled10(y)),
        ]),
        svg("text", { x: (left + right) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, width < 500 ? "operations per byte (FLOP/B)" : "operations per byte that must move (FLOP/B)"),
        svg("text", { x: left - 40, y: 14 }, "operations per second (FLOP/s)"),
    ];
}

/** A power of ten with its prefix. */
function scaled10(value: number): string {
    for (const [factor, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
        if (value >= factor) return `${+(value / factor).toPrecision(3)}${prefix}`;
    }
    return String(+value.toPrecision(3));
}

/** Names of whole pieces, where there is room: to the right of their point, else to the left. */
function names(points: Point[], across: (x: number) => number, down: (y: number) => number, width: number): SVGElement[] {
    // On a phone there is no room; the table has them all.
    if (width < 600) return [];
    const taken = points.map(({ x, y }): Area => [across(x) - 5, down(y) - 5, across(x) + 5, down(y) + 5]);
    return points.flatMap(({ row, x, y }) => {
        const text = `${row.name} ${percent(row.roof_share)}`;
        const long = 7.6 * text.length;
        for (const shift of [4, -14, 22, -30, 38]) {
            for (const left of [across(x) + 10, across(x) - 10 - long]) {
                const base = down(y) + shift;
                const area: Area = [left, base - 11, left + long, base + 3];
                const free = taken.every((other) => area[0] > other[2] || other[0] > area[2] || area[1] > other[3] || other[1] > area[3]);
                if (!free || area[0] < EDGE.left || area[2] > width || area[1] < EDGE.top || area[3] > HEIGHT - EDGE.bottom) continue;
                taken.push(area);
                const end = left < across(x);
                const name = svg("text", { x: end ? left + long : left, y: base, "text-anchor": end ? "end" : "start" }, text);
                const lead = svg("line", { class: "lead", x1: across(x), y1: down(y), x2: end ? left + long : left, y2: base - 4 });
                return Math.abs(shift - 4) > 10 ? [lead, name] : [name];
            }
        }
        return [];
    });
}

/** Left, top, right, bottom. */
type Area = [number, number, number, number];
