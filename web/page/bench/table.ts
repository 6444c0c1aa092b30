// The rows of a record.

import { el } from "../dom";
import { digits, percent, scaled, time } from "../format";
import type { BenchRecord, BenchRow } from "../words";

export function rowTable(record: BenchRecord): HTMLElement {
    const heads: [string, string][] = [["Row", ""], ["Shape", ""], ["Result", ""], ["Time", "number"], ["Per second", "number"], ["FLOP/s", "number"], ["Bytes/s", "number"], ["Of the roof", "number"], ["Of the update", "number"]];
    const head = el("tr", {}, ...heads.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)));
    return el(
        "section",
        { class: "panel" },
        el("h3", {}, `All rows (${record.rows.length})`),
        el(
            "div",
            { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Rows of the record" },
            el("table", { class: "rows", id: "bench-table" }, el("thead", {}, head), el("tbody", {}, ...record.rows.map(line))),
        ),
    );
}

function line(row: BenchRow): HTMLElement {
    const cell = (label: string, text: string) => el("td", { role: "cell", class: "number", "data-label": label }, text);
    const spread = row.seconds ? `quartiles ${time(row.seconds.low)} and ${time(row.seconds.high)}, ${row.seconds.repeats} times` : "";
    const taken = cell("time", time(row.seconds?.median));
    taken.title = spread;
    return el(
        "tr",
        { role: "row" },
        el("th", { role: "rowheader", scope: "row" }, row.name),
        el("td", { role: "cell" }, row.shape),
        el("td", { role: "cell", class: `result ${row.passed ? "good" : "bad"}`, title: row.fault ?? `worst error ${digits(row.worst_error)} of ${digits(row.tolerance)}` }, row.passed ? "✓ right" : "✗ WRONG"),
        taken,
        cell("per second", row.units_per_second === null ? "–" : `${scaled(row.units_per_second)} ${row.unit}`),
        cell("FLOP/s", scaled(row.flops_per_second)),
        cell("bytes/s", scaled(row.bytes_per_second)),
        cell("of the roof", percent(row.roof_share)),
        cell("of the update", percent(row.update_share)),
    );
}
