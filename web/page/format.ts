// Numbers as people read them.

/** Three significant digits, or a power of ten. */
export function digits(value: number | null | undefined): string {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e7) return value.toExponential(1).replace("e+", "e").replace("-", "−");
    if (size >= 1000) return whole(value).replace("-", "−");
    return (size >= 100 ? value.toFixed(1) : value.toPrecision(3)).replace("-", "−");
}

/** A whole number with its thousands apart. */
export function whole(value: number): string {
    return Math.round(value).toLocaleString("en-US").replaceAll(",", "\u202f");
}

/** With a prefix: 1.2 M. */
export function scaled(value: number | null | undefined): string {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    for (const [factor, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
        if (Math.abs(value) >= factor) return `${(value / factor).toPrecision(3)} ${prefix}`;
    }
    return value.toPrecision(3);
}

/** Seconds with a unit. */
export function time(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
    for (const [factor, unit] of [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]] as const) {
        if (seconds >= factor) return `${(seconds / factor).toPrecision(3)} ${unit}`;
    }
    return `${(seconds / 1e-9).toPrecision(3)} ns`;
}

/** A share in percent. */
export function percent(share: number | null | undefined): string {
    if (share === null || share === undefined || !Number.isFinite(share)) return "–";
    return `${(100 * share).toPrecision(share < 0.1 ? 2 : 3)}%`;
}
