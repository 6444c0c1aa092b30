// Which kernels a whole piece is made of.

import { el } from "../dom";
import { percent, time } from "../format";
import type { BenchRecord } from "../words";
import { kernelOf, legend, stage } from "./stages";

/** A strip for every whole piece, with a part for every kernel. */
export function shares(record: BenchRecord): HTMLElement {
    const rows = record.rows.filter((row) => !kernelOf(row.name) && row.kernels.length > 1);
    const strips = rows.map((row) => {
        const parts = row.kernels.toSorted((a, b) => b.share - a.share);
        const strip = parts.map(({ kernel, share, dispatches }) => {
            const words = `${kernel}: ${percent(share)}, ${dispatches} dispatches`;
            const part = el("span", { title: words }, share > 0.05 ? kernel : "");
            part.style.flex = `${share} 1 0`;
            part.style.background = stage(kernel).colour;
            return part;
        });
        const words = parts.filter(({ share }) => share >= 0.005).map(({ kernel, share }) => `${kernel} ${percent(share)}`);
        return el(
            "div",
            {},
            el("div", { class: "name" }, el("span", {}, row.name), el("span", { class: "faint" }, time(row.seconds?.median))),
            el("div", { class: "strip", role: "img", "aria-label": `${row.name}: ${words.join(", ")}` }, ...strip),
        );
    });
    const kernels = rows.flatMap((row) => row.kernels.map(({ kernel }) => kernel));
    return el(
        "section",
        { class: "panel" },
        el("h3", {}, "Which kernels a piece is made of"),
        el("p", { class: "note" }, "Shares of the time that each kernel takes without the others."),
        legend(kernels),
        el("div", { class: "shares" }, ...strips),
    );
}
