// A training run: two iterations in flight, and what may be done only when none is.

import { type Engine, freed } from "./engine";
import type { Player, Run } from "../wasm";
import type { Moment, RunSettings, Statistics, Timed } from "../words";

/** The last state is kept that often, in ms; the player's policy is renewed that often; statistics are told that often. */
const KEEP = 5000;
const RENEW = 1000;
const TELL = 60;

export class Training {
    readonly #engine: Engine;
    #run: Run | undefined;
    #settings = "";
    #scene = false;
    #player: Player | undefined;
    #renewing = false;
    #kept: Uint8Array | undefined;
    #times = { kept: 0, renewed: 0, told: 0 };
    #running = false;
    #loop: Promise<void> | undefined;
    /** What waits for the moment in which nothing is in flight. */
    #waiting: (() => Promise<void>)[] = [];
    #untold: Timed[] = [];
    /** What makes, replaces or uses the run beside its loop, one after another. */
    #last: Promise<unknown> = Promise.resolve();
    /** How often it was paused: a pause while it waits for its turn counts. */
    #pauses = 0;

    constructor(engine: Engine) {
        this.#engine = engine;
    }

    /** A new run with `settings`, which stands still; all its settings. `scene`: whether an environment is played beside it. */
    create(settings: RunSettings, scene: boolean): Promise<RunSettings> {
        return this.#alone(async () => {
            await this.#halt();
            const text = JSON.stringify(settings);
            const run = await this.#engine.orLost(this.#engine.train.Run.create(this.#engine.device("train"), text));
            this.#kept = undefined;
            return this.#take(run, text, scene);
        });
    }

    /** After a loss of the device and a new one: goes on from the last state that was kept. */
    recover(): Promise<void> {
        return this.#alone(async () => {
            await this.#halt();
            if (!this.#settings) return;
            const { train } = this.#engine;
            const device = this.#engine.device("train");
            const run = this.#kept
                ? train.Run.resume(device, this.#settings, this.#kept)
                : train.Run.create(device, this.#settings);
            await this.#take(await this.#engine.orLost(run), this.#settings, this.#scene);
        });
    }

    async #take(run: Run, settings: string, scene: boolean): Promise<RunSettings> {
        freed(this.#run);
        freed(this.#player);
        this.#run = run;
        this.#settings = settings;
        this.#scene = scene;
        this.#player = undefined;
        if (scene) this.#player = await this.#engine.orLost(run.player(BigInt(JSON.parse(settings).seed as number)));
        return JSON.parse(run.settingsJson()) as RunSettings;
    }

    /** Trains until `pause`. False if that came while this waited for its turn. */
    go(): Promise<boolean> {
        const pauses = this.#pauses;
        return this.#alone(async () => {
            if (this.#running) return true;
            this.#ready();
            await this.#engine.turn("train", () => this.pause());
            if (pauses !== this.#pauses) return false;
            const run = this.#ready();
            this.#running = true;
            this.#times = { kept: performance.now(), renewed: performance.now(), told: 0 };
            this.#loop = this.#train(run).catch((error: unknown) => {
                this.#running = false;
                for (const task of this.#waiting.splice(0)) void task();
                this.#engine.failed("train", error);
            });
            return true;
        });
    }

    /** Submits nothing more, and waits for what is in flight. */
    async pause(): Promise<void> {
        this.#pauses++;
        await this.#halt();
    }

    async #halt(): Promise<void> {
        this.#running = false;
        await this.#loop;
        this.#loop = undefined;
    }

    /** One iteration. */
    step(): Promise<void> {
        return this.#alone(async () => {
            await this.#halt();
            this.#ready();
            await this.#engine.turn("train", () => this.pause());
            const run = this.#ready();
            run.submit();
            await this.#finish(run);
            await this.#renew(run);
            await this.#keep(run);
            this.#tell();
        });
    }

    dispatches(): Promise<number> {
        return this.#still(async (run) => run.dispatches());
    }

    /** policy.safetensors. */
    save(): Promise<Uint8Array> {
        return this.#still((run) => run.policyBytes());
    }

    async load(bytes: Uint8Array): Promise<void> {
        await this.#still(async (run) => {
            await run.loadPolicy(bytes);
            await this.#renew(run);
            await this.#keep(run);
        });
    }

    parameters(): Promise<Float32Array> {
        return this.#still((run) => run.parameters());
    }

    /** What the policy does in an episode of its own, from start states of `seed`: `count` steps. */
    async episode(seed: number, count: number): Promise<Moment[]> {
        const bytes = await this.save();
        const player = this.#engine.train.Player.fromPolicy(bytes, BigInt(seed));
        const moments = Array.from({ length: count }, () => JSON.parse(player.stepJson()) as Moment);
        player.free();
        return moments;
    }

    /** The next `count` moments of the environment that is drawn, and the seconds of each. */
    moments(count: number): { seconds: number; moments: Moment[] } | null {
        const player = this.#player;
        if (!player || this.#renewing) return null;
        const moments = Array.from({ length: count }, () => JSON.parse(player.stepJson()) as Moment);
        return { seconds: player.seconds(), moments };
    }

    async #train(run: Run): Promise<void> {
        while (this.#running) {
            const now = performance.now();
            const keep = now - this.#times.kept > KEEP;
            const renew = this.#player !== undefined && now - this.#times.renewed > RENEW;
            if (keep || renew || this.#waiting.length > 0) {
                while (run.inFlight() > 0) await this.#finish(run);
                if (renew) await this.#renew(run);
                if (keep) await this.#keep(run);
                for (const task of this.#waiting.splice(0)) await task();
            }
            while (run.inFlight() < 2) run.submit();
            await this.#finish(run);
        }
        while (run.inFlight() > 0) await this.#finish(run);
        await this.#renew(run);
        await this.#keep(run);
        for (const task of this.#waiting.splice(0)) await task();
        this.#tell();
    }

    async #finish(run: Run): Promise<void> {
        const statistics = JSON.parse(await this.#engine.orLost(run.statisticsJson())) as Statistics;
        const time = performance.now();
        this.#untold.push({ ...statistics, time });
        if (time - this.#times.told > TELL) this.#tell();
    }

    #tell(): void {
        this.#times.told = performance.now();
        if (this.#untold.length > 0) this.#engine.tell({ what: "statistics", list: this.#untold.splice(0) });
    }

    async #renew(run: Run): Promise<void> {
        if (!this.#player) return;
        this.#renewing = true;
        try {
            await this.#engine.orLost(run.refreshPlayer(this.#player));
        } finally {
            this.#renewing = false;
        }
        this.#times.renewed = performance.now();
    }

    /** Keeps the state, without the transitions of an off-policy run: they may be a gigabyte. */
    async #keep(run: Run): Promise<void> {
        this.#kept = await this.#engine.orLost(run.stateBytes(false));
        this.#times.kept = performance.now();
        this.#engine.tell({ what: "kept", bytes: this.#kept.length });
    }

    /** What `task` gives, done while nothing is in flight. */
    #still<T>(task: (run: Run) => Promise<T>): Promise<T> {
        return this.#alone(async () => {
            const run = this.#ready();
            if (this.#running) {
                return new Promise<T>((resolve, reject) => {
                    this.#waiting.push(() => this.#engine.orLost(task(run)).then(resolve, reject));
                });
            }
            await this.#loop;
            return this.#engine.orLost(task(run));
        });
    }

    #alone<T>(work: () => Promise<T>): Promise<T> {
        const done = this.#last.then(work);
        this.#last = done.catch(() => {});
        return done;
    }

    #ready(): Run {
        this.#engine.device("train");
        if (!this.#run) throw new Error("there is no run yet");
        return this.#run;
    }
}

