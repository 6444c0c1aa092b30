// Two records side by side, by the rule of `wgpo bench --compare`: a row differs where every round of one took longer than every round
// of the other, and the best rounds differ by more than the noise.

import { el } from "../dom";
import { time } from "../format";
import type { BenchRecord, BenchRow } from "../words";

/** What a difference must exceed, however still the rounds were. */
const LEAST = 0.1;
/** The same in distances from the best round to the median of the rounds. */
const SPREADS = 3;
/** Rounds of a row below which nothing is said about it. */
const ROUNDS = 3;

interface Rounds {
    best: number;
    worst: number;
    spread: number;
    count: number;
    /** By how much other processes may have made it longer. */
    delay: number;
}

function rounds(record: BenchRecord, row: BenchRow): Rounds | null {
    const times = (row.rounds?.length ? row.rounds : row.seconds ? [row.seconds.median] : []).toSorted((a, b) => a - b);
    const [best, worst] = [times[0], times.at(-1)];
    if (best === undefined || worst === undefined || best <= 0) return null;
    const median = ((times[times.length >> 1] ?? best) + (times[(times.length - 1) >> 1] ?? best)) / 2;
    const onCpus = row.clock !== "timestamps" || record.place.device_type === "Cpu";
    const share = onCpus && record.load && row.other_cpus ? Math.min(0.99, row.other_cpus / Math.max(1, record.load.cpus)) : 0;
    return { best, worst, spread: median / best - 1, count: times.length, delay: share / (1 - share) };
}

interface Pair {
    name: string;
    old: Rounds;
    now: Rounds;
    ratio: number;
    noise: number;
    verdict: "faster" | "SLOWER" | "?" | "";
}

/** The rows that both have, in the same shape. */
export function pairs(old: BenchRecord, now: BenchRecord): Pair[] {
    return now.rows.flatMap((row) => {
        const before = old.rows.find((other) => other.name === row.name && other.shape === row.shape);
        const [a, b] = [before && rounds(old, before), rounds(now, row)];
        if (!a || !b) return [];
        const ratio = b.best / a.best;
        const noise = Math.max(SPREADS * Math.hypot(a.spread, b.spread), a.delay, b.delay, LEAST);
        let verdict: Pair["verdict"] = "";
        if (a.count < ROUNDS || b.count < ROUNDS) verdict = "?";
        else if (ratio < 1 / (1 + noise) && b.worst < a.best) verdict = "faster";
        else if (ratio > 1 + noise && a.worst < b.best) verdict = "SLOWER";
        return [{ name: row.name.replace(/^kernel\//, ""), old: a, now: b, ratio, noise, verdict }];
    });
}

export function compared(old: BenchRecord, now: BenchRecord): HTMLElement {
    const both = pairs(old, now);
    const count = (verdict: Pair["verdict"]) => both.filter((pair) => pair.verdict === verdict).length;
    const notes = [
        `${both.length} rows in both: ${count("faster")} faster, ${count("SLOWER")} slower, ${count("")} within the noise.`,
        ...(count("?") ? [`Of ${count("?")} rows one record has fewer than three rounds, so nothing is said about them.`] : []),
        ...(JSON.stringify(old.place) !== JSON.stringify(now.place) ? ["The other record is of another device, driver, browser or backend."] : []),
        ...(old.quick !== now.quick ? ["The other record has other sizes."] : []),
        ...(old.wgpo !== now.wgpo ? [`The other record is of wgpo ${old.wgpo}.`] : []),
    ];
    const heads = ["Row", "There", "Here", "Here ÷ there", "Noise", ""];
    const lines = both.map((pair) =>
        el(
            "tr",
            { role: "row" },
            el("th", { role: "rowheader", scope: "row" }, pair.name),
            el("td", { role: "cell", class: "number", "data-label": "there" }, time(pair.old.best)),
            el("td", { role: "cell", class: "number", "data-label": "here" }, time(pair.now.best)),
            el("td", { role: "cell", class: "number", "data-label": "here ÷ there" }, pair.ratio.toPrecision(3)),
            el("td", { role: "cell", class: "number", "data-label": "noise" }, `±${(100 * pair.noise).toFixed(0)}%`),
            el("td", { role: "cell", class: pair.verdict === "faster" ? "good" : pair.verdict === "SLOWER" ? "bad" : "faint" }, pair.verdict),
        ),
    );
    const head = el("tr", {}, ...heads.map((name, index) => el("th", { scope: "col", class: index > 0 ? "number" : "" }, name)));
    return el(
        "section",
        { class: "panel" },
        el("h3", {}, `Beside ${[old.place.adapter, old.place.api].filter(Boolean).join(", ") || old.place.backend} of ${old.date}`),
        el("p", { class: "note" }, notes.join(" ")),
        both.length
            ? el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Both records" }, el("table", { class: "rows", id: "compare-table" }, el("thead", {}, head), el("tbody", {}, ...lines)))
            : "",
    );
}
