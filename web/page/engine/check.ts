// The rows of the check, one by one.

import type { Engine } from "./engine";
import type { CheckRow } from "../words";

export class Checking {
    readonly #engine: Engine;
    #rows: CheckRow[] = [];
    #quick = true;
    #report = "";
    #going = false;
    /** How often it was begun or stopped: a stop while it begins counts. */
    #calls = 0;
    #current: Promise<unknown> = Promise.resolve();

    constructor(engine: Engine) {
        this.#engine = engine;
    }

    /** The names of the rows. */
    async names(quick: boolean): Promise<{ kernel: string; shape: string }[]> {
        const { Check } = await this.#engine.measure();
        return JSON.parse(Check.namesJson(quick)) as { kernel: string; shape: string }[];
    }

    /** Begins anew, or goes on after the rows so far. */
    async begin(quick: boolean, anew: boolean): Promise<void> {
        const calls = ++this.#calls;
        if (anew) this.#rows = [];
        if (anew) this.#report = "";
        this.#quick = quick;
        await this.#engine.measure();
        await this.#engine.turn("check", () => this.stop());
        await this.#engine.deviceOf("measure");
        this.#going = calls === this.#calls;
    }

    async stop(): Promise<void> {
        this.#calls++;
        this.#going = false;
        await this.#current.catch(() => {});
    }

    /** Computes the next row; null once it was stopped. */
    async next(): Promise<CheckRow | null> {
        const { Check } = await this.#engine.measure();
        if (!this.#going) return null;
        const device = this.#engine.device("measure");
        const text = this.#engine.orLost(Check.run(device, this.#rows.length, this.#quick));
        this.#current = text;
        const row = JSON.parse(await text) as CheckRow;
        // The row was not compared; it is computed again on the next device.
        if (row.fault?.startsWith("device lost")) throw Object.assign(new Error(row.fault), { name: "DeviceLost" });
        this.#rows.push(row);
        this.#report = Check.reportJson(device, JSON.stringify(this.#rows));
        return row;
    }

    /** What `wgpo check --json` prints, of the rows so far. */
    report(): string {
        return this.#report;
    }
}
