// The benchmark, piece by piece.

import { type Engine, freed } from "./engine";
import type { Bench } from "../wasm";
import type { BenchProgress, BenchRecord } from "../words";

export interface BenchOptions {
    quick: boolean;
    seconds: number;
    only: string | null;
    browser: string;
}

export class Benching {
    readonly #engine: Engine;
    #bench: Bench | undefined;
    #going = false;
    /** How often it was begun or stopped: a stop while it begins counts. */
    #calls = 0;
    #current: Promise<unknown> = Promise.resolve();

    constructor(engine: Engine) {
        this.#engine = engine;
    }

    /** Begins anew; the names of the rows. */
    async begin(options: BenchOptions): Promise<string[]> {
        const calls = ++this.#calls;
        const { Bench } = await this.#engine.measure();
        await this.#engine.turn("bench", () => this.stop());
        const device = await this.#engine.deviceOf("measure");
        freed(this.#bench);
        this.#bench = undefined;
        this.#bench = Bench.create(device, JSON.stringify(options));
        this.#going = calls === this.#calls;
        return JSON.parse(this.#bench.namesJson()) as string[];
    }

    async stop(): Promise<void> {
        this.#calls++;
        this.#going = false;
        await this.#current.catch(() => {});
    }

    /** Does the next piece of work; null once it was stopped. */
    async next(): Promise<BenchProgress | null> {
        if (!this.#going) return null;
        const step = this.#engine.orLost(this.#made().step());
        this.#current = step;
        return JSON.parse(await step) as BenchProgress;
    }

    /** The record, once finished. */
    record(): BenchRecord {
        return JSON.parse(this.#made().recordJson()) as BenchRecord;
    }

    #made(): Bench {
        if (!this.#bench) throw new Error("no benchmark was begun");
        return this.#bench;
    }
}
