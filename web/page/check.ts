// The view Check.

import type { Remote } from "comlink";
import { byId, download, el } from "./dom";
import { digits } from "./format";
import type { CheckRow } from "./words";
import type { Checking } from "./engine/check";

export class CheckView {
    readonly #checking: Remote<Checking>;
    readonly #fail: (error: unknown) => void;
    readonly #run = byId<HTMLButtonElement>("check-run");
    readonly #quick = byId<HTMLInputElement>("check-quick");
    readonly #bad = byId<HTMLInputElement>("check-bad");
    #rows: CheckRow[] = [];
    #of = 0;
    #running = false;
    #broken = false;
    /** A stop that came before the check has begun. */
    #stopped = false;

    constructor(checking: Remote<Checking>, changed: () => void, fail: (error: unknown) => void) {
        this.#checking = checking;
        this.#fail = fail;
        this.#run.addEventListener("click", () => void (this.#running ? this.#stop() : this.#go(true)));
        this.#quick.addEventListener("change", () => {
            // The rows so far are of the other table.
            this.#broken = false;
            changed();
        });
        this.#bad.addEventListener("change", () => this.#filter());
        byId("check-json").addEventListener("click", () => void this.#save().catch(fail));
    }

    take(words: URLSearchParams): void {
        this.#quick.checked = words.get("quick") !== "0";
    }

    words(): URLSearchParams {
        return new URLSearchParams(this.#quick.checked ? {} : { quick: "0" });
    }

    /** After a new device: goes on with the row that was not finished. */
    async recovered(): Promise<void> {
        if (this.#broken) void this.#go(false);
    }

    async #stop(): Promise<void> {
        this.#stopped = true;
        await this.#checking.stop();
    }

    async #go(anew: boolean): Promise<void> {
        this.#running = true;
        this.#broken = false;
        this.#stopped = false;
        this.#run.textContent = "Stop";
        this.#quick.disabled = true;
        if (anew) {
            this.#rows = [];
            byId("check-rows").replaceChildren();
            byId<HTMLProgressElement>("check-progress").value = 0;
            byId<HTMLButtonElement>("check-json").disabled = true;
        }
        this.#say("begins …");
        try {
            const names = await this.#checking.names(this.#quick.checked);
            this.#of = names.length;
            await this.#checking.begin(this.#quick.checked, anew);
            while (this.#rows.length < names.length && !this.#stopped) {
                const next = names[this.#rows.length];
                this.#say(`row ${this.#rows.length + 1} of ${names.length}: ${next?.kernel ?? ""}`);
                const row = await this.#checking.next();
                if (row === null) break;
                this.#rows.push(row);
                this.#show(row);
            }
            await this.#checking.stop();
            this.#running = false;
            this.#summary();
        } catch (error) {
            this.#running = false;
            this.#broken = error instanceof Error && error.name === "DeviceLost";
            this.#summary();
            this.#fail(error);
        } finally {
            this.#running = false;
            this.#run.textContent = "Check";
            this.#quick.disabled = false;
        }
    }

    #show(row: CheckRow): void {
        const result = row.passed ? "✓ passed" : "✗ FAILED";
        const why = [row.fault, row.reason, row.slack_reason].filter(Boolean).join("; ");
        const cell = (label: string, text: string, kind = "number") =>
            el("td", { role: "cell", class: kind, "data-label": label }, text);
        const line = el(
            "tr",
            { role: "row", class: row.passed ? "" : "failed" },
            el("td", { role: "cell", class: `result ${row.passed ? "good" : "bad"}` }, result),
            el("th", { role: "rowheader", scope: "row" }, row.kernel),
            el("td", { role: "cell" }, row.shape),
            cell("worst error", digits(row.worst_error)),
            cell("tolerance", digits(row.tolerance)),
            cell("slack", digits(row.slack)),
            el("td", { role: "cell", class: "faint" }, why),
        );
        line.hidden = this.#bad.checked && row.passed;
        byId("check-rows").append(line);
        const bar = byId<HTMLProgressElement>("check-progress");
        bar.max = this.#of;
        bar.value = this.#rows.length;
        byId<HTMLButtonElement>("check-json").disabled = false;
    }

    #filter(): void {
        for (const line of byId("check-rows").children as HTMLCollectionOf<HTMLElement>) {
            line.hidden = this.#bad.checked && !line.classList.contains("failed");
        }
    }

    #summary(): void {
        const failed = this.#rows.filter((row) => !row.passed).length;
        const rows = `${this.#rows.length} of ${this.#of} rows`;
        if (this.#rows.length < this.#of) this.#say(`stopped after ${rows}; ${failed} failed`, failed > 0 ? "bad" : "");
        else if (failed > 0) this.#say(`✗ ${failed} of ${this.#of} rows FAILED`, "bad");
        else this.#say(`✓ all ${this.#of} rows passed`, "good");
    }

    #say(text: string, kind = ""): void {
        const status = byId("check-status");
        status.textContent = text;
        status.className = `status ${kind}`;
        // Who listens hears how it ended, not every row.
        status.setAttribute("aria-busy", String(this.#running));
    }

    async #save(): Promise<void> {
        const text = await this.#checking.report();
        download("wgpo-check.json", "application/json", JSON.stringify(JSON.parse(text), null, 2));
    }
}
