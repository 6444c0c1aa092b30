// The failure modes: the variants of one of them, update by update in turn.

import { type Engine, freed } from "./engine";
import type { Run } from "../wasm";
import type { Statistics } from "../words";

export class Modes {
    readonly #engine: Engine;
    #running = false;
    #loop: Promise<void> | undefined;
    /** How often it was begun or stopped: a stop while it waits for its turn counts. */
    #calls = 0;

    constructor(engine: Engine) {
        this.#engine = engine;
    }

    /** Runs all variants for `updates` updates each. */
    async go(mode: number, variants: string[], seed: number, updates: number): Promise<void> {
        const calls = ++this.#calls;
        await this.#halt();
        await this.#engine.turn("modes", () => this.stop());
        if (calls !== this.#calls) {
            this.#engine.tell({ what: "stopped", activity: "modes" });
            return;
        }
        this.#running = true;
        this.#loop = this.#all(mode, variants, seed, updates).then(
            () => this.#engine.tell({ what: "stopped", activity: "modes" }),
            (error: unknown) => this.#engine.failed("modes", error),
        );
    }

    async stop(): Promise<void> {
        this.#calls++;
        await this.#halt();
    }

    async #halt(): Promise<void> {
        this.#running = false;
        await this.#loop;
        this.#loop = undefined;
    }

    async #all(mode: number, variants: string[], seed: number, updates: number): Promise<void> {
        const runs: { key: string; run: Run }[] = [];
        try {
            for (const key of variants) {
                const made = this.#engine.train.FailureModes.create(this.#engine.device("train"), mode, key, seed);
                runs.push({ key, run: await this.#engine.orLost(made) });
            }
            for (const { run } of runs) run.submit();
            for (let update = 1; update <= updates && this.#running; update++) {
                for (const { key, run } of runs) {
                    if (update < updates && this.#running) run.submit();
                    const statistics = JSON.parse(await this.#engine.orLost(run.statisticsJson())) as Statistics;
                    const reward = statistics.episodes.mean_return;
                    if (reward !== null) {
                        this.#engine.tell({ what: "mode", variant: key, updates: [statistics.updates], rewards: [reward] });
                    }
                }
            }
            for (const { run } of runs) while (run.inFlight() > 0) await this.#engine.orLost(run.statisticsJson());
        } finally {
            for (const { run } of runs) freed(run);
        }
    }
}
