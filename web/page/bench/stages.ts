// A colour for each stage of the computation, as in the pictures of `wgpo bench --report`: told apart by people with the usual kinds of
// colour blindness, and light enough for black letters.

import { el } from "../dom";

export const STAGES: [name: string, colour: string, begins: string[]][] = [
    ["networks forward", "#56b4e9", ["mlp_forward"]],
    ["networks backward", "#e69f00", ["mlp_backward"]],
    ["tangents", "#8c9eff", ["mlp_jvp"]],
    ["loss and heads", "#e08a5b", ["loss", "head"]],
    ["optimiser", "#3cc79c", ["optim"]],
    ["conjugate gradients", "#d78fc0", ["cg"]],
    ["sums", "#b9a37e", ["reduce"]],
    ["minibatches", "#b5b5b5", ["batch", "replay"]],
    ["advantages", "#f0e442", ["advantage"]],
    ["acting", "#a3cf62", ["policy", "env", "rollout"]],
];

/** Name and colour of the stage that `kernel` belongs to. */
export function stage(kernel: string): { name: string; colour: string } {
    const known = STAGES.find(([, , begins]) => begins.some((begin) => kernel.startsWith(begin)));
    return known ? { name: known[0], colour: known[1] } : { name: "others", colour: "#b0b0b0" };
}

/** The stages of `kernels` with their colours. */
export function legend(kernels: Iterable<string>): HTMLElement {
    const names = new Set([...kernels].map((kernel) => stage(kernel).name));
    const items = STAGES.filter(([name]) => names.has(name)).map(([name, colour]) => {
        const swatch = el("i");
        swatch.style.background = colour;
        return el("li", {}, swatch, name);
    });
    return el("ul", { class: "legend", "aria-label": "Colours" }, ...items);
}

/** The kernel of a row `kernel/stem/size`. */
export function kernelOf(name: string): string | undefined {
    return name.startsWith("kernel/") ? name.split("/")[1] : undefined;
}
