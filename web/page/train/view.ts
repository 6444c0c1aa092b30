// The view Train: a run, its curves and its policy.

import type { Remote } from "comlink";
import { byId, download } from "../dom";
import { digits, scaled, whole } from "../format";
import type { Catalogue, PresetSettings, Timed } from "../words";
import type { Training } from "../engine/training";
import { Chart } from "./chart";
import { Settings } from "./settings";
import { Theatre } from "./theatre";

/** Fewest episodes in the mean that is compared with the mark, as everywhere in wgpo. */
const WINDOW = 100;

const SHARED: [string, string][] = [
    ["entropy", "Entropy"],
    ["value_loss", "Value loss"],
    ["policy_loss", "Policy loss"],
];
const ON_POLICY: [string, string][] = [
    ["approx_kl", "KL(old‖new), estimate"],
    ["clipfrac", "Clip fraction"],
    ["explained_variance", "Explained variance"],
    ["grad_norm", "Gradient norm"],
];
const OFF_POLICY: [string, string][] = [
    ["q_values", "Q of stored actions"],
    ["targets", "Targets of Q"],
    ["alpha", "Temperature α"],
    ["epsilon", "Exploration ε"],
];

export class TrainView {
    readonly settings: Settings;
    readonly #training: Remote<Training>;
    readonly #theatre: Theatre;
    readonly #fail: (error: unknown) => void;
    readonly #buttons = {
        run: byId<HTMLButtonElement>("run"),
        step: byId<HTMLButtonElement>("step"),
        reset: byId<HTMLButtonElement>("reset"),
        save: byId<HTMLButtonElement>("save"),
        load: byId<HTMLButtonElement>("load"),
    };
    #returns: Chart;
    #charts: { key: string; chart: Chart }[] = [];
    #speed = new Chart("Steps per second", [{ label: "steps/s", colour: "curve" }]);
    /** Whether there is a run that the present settings made. */
    #made = false;
    #busy = false;
    /** The run that is being made, and how often the settings have changed. */
    #making: Promise<unknown> | undefined;
    #changes = 0;
    #soon = 0;
    running = false;
    #episodes: { count: number; mean: number }[] = [];
    #pace: { time: number; steps: number }[] = [];
    #reached: number | undefined;

    constructor(
        training: Remote<Training>,
        catalogue: Catalogue,
        preset: (env: string, algorithm: string, preset: string) => Promise<PresetSettings>,
        changed: () => void,
        fail: (error: unknown) => void,
    ) {
        this.#training = training;
        this.#fail = fail;
        this.#theatre = new Theatre(training);
        this.settings = new Settings(catalogue, preset, () => {
            this.#forget();
            this.prepare();
            changed();
        });
        this.#returns = this.#returnChart(null);
        const { run, step, reset, save, load } = this.#buttons;
        run.addEventListener("click", () => void this.#do(() => (this.running ? this.#pause() : this.#go())));
        step.addEventListener("click", () => void this.#do(() => this.#step()));
        reset.addEventListener("click", () => void this.#do(() => this.#reset()));
        save.addEventListener("click", () => void this.#do(() => this.#save()));
        const file = byId<HTMLInputElement>("load-file");
        load.addEventListener("click", () => file.click());
        file.addEventListener("change", () => void this.#do(() => this.#load(file)));
        byId("copy-link").addEventListener("click", () => {
            navigator.clipboard.writeText(location.href).then(
                () => this.#say("The link is in the clipboard."),
                () => this.#fail("The browser does not let the page write to the clipboard. Copy the address instead."),
            );
        });
    }

    /** Takes the settings of an address. */
    async take(words: URLSearchParams): Promise<void> {
        await this.settings.take(words);
        this.#forget();
    }

    /** Another activity took the device, or the loop ended. */
    stopped(): void {
        this.running = false;
        this.#show();
        this.#say("paused");
    }

    /** After a new device: the run goes on from its last state. */
    async recovered(wasRunning: boolean): Promise<void> {
        if (!this.#made) {
            // What is being made is on the device before.
            this.#changes++;
            return this.prepare();
        }
        this.#say("compiles the kernels …");
        await this.#training.recover();
        this.#theatre.begin();
        this.running = false;
        if (wasRunning) await this.#go();
        this.#show();
        this.#say("goes on from the last state that was kept");
    }

    takeIn(list: Timed[]): void {
        // The last ones of a run whose settings were left.
        if (!this.#made) return;
        for (const one of list) {
            const { count, mean_return: mean } = one.episodes;
            if (count > 0 && mean !== null) this.#episodes.push({ count, mean });
            const rest = (from: number) => this.#episodes.slice(from).reduce((sum, { count }) => sum + count, 0);
            while (this.#episodes.length > 1 && rest(1) >= WINDOW) this.#episodes.shift();
            this.#pace.push({ time: one.time, steps: one.env_steps });
            if (this.#pace.length > 40) this.#pace.shift();
            const lately = this.#lately();
            const mark = this.settings.env.solved;
            if (mark !== null && lately !== null && lately.full && lately.mean >= mark) this.#reached ??= one.env_steps;
            this.#returns.push(one.env_steps, [mean, lately?.mean ?? null, ...(mark === null ? [] : [mark])]);
            for (const { key, chart } of this.#charts) chart.push(one.env_steps, [finite(one.update[key])]);
            this.#speed.push(one.env_steps, [this.#stepsPerSecond()]);
        }
        const last = list.at(-1);
        if (last) this.#facts(last);
    }

    /** The mean return of the last hundred episodes, and whether there were a hundred. */
    #lately(): { mean: number; full: boolean } | null {
        const count = this.#episodes.reduce((sum, one) => sum + one.count, 0);
        if (count === 0) return null;
        return { mean: this.#episodes.reduce((sum, one) => sum + one.count * one.mean, 0) / count, full: count >= WINDOW };
    }

    #stepsPerSecond(): number | null {
        const [first, last] = [this.#pace[0], this.#pace.at(-1)];
        if (!first || !last || last.time <= first.time) return null;
        return (1000 * (last.steps - first.steps)) / (last.time - first.time);
    }

    #facts(last: Timed): void {
        byId("fact-steps").textContent = whole(last.env_steps);
        byId("fact-updates").textContent = whole(last.updates);
        byId("fact-speed").textContent = scaled(this.#stepsPerSecond());
        byId("fact-return").textContent = digits(this.#lately()?.mean);
        if (this.#reached !== undefined) {
            byId("fact-mark").textContent = `✓ at ${scaled(this.#reached)}`;
            byId("fact-mark").title = `after ${whole(this.#reached)} steps`;
        }
    }

    async #do(action: () => Promise<void>): Promise<void> {
        if (this.#busy) return;
        this.#busy = true;
        try {
            await action();
        } catch (error) {
            this.running = false;
            this.#say("stopped");
            this.#fail(error);
        } finally {
            this.#busy = false;
            this.#show();
        }
    }

    /** Makes the run ahead of a click, soon after the last change, so that the first update comes at once. What is wrong is said at the click. */
    prepare(): void {
        clearTimeout(this.#soon);
        this.#soon = setTimeout(() => void this.#ensure().catch(() => this.#say("not begun")), 300);
    }

    /** A run of the present settings, at its beginning. */
    async #ensure(): Promise<void> {
        while (this.#making) await this.#making.catch(() => {});
        if (this.#made) return;
        const changes = this.#changes;
        this.#say("compiles the kernels …");
        try {
            this.#making = this.#training.create(this.settings.read(), this.settings.env.scene);
            await this.#making;
        } finally {
            this.#making = undefined;
        }
        if (changes !== this.#changes) return this.#ensure();
        this.#made = true;
        this.#theatre.begin();
        const each = await this.#training.dispatches();
        if (!this.running) this.#say(`ready; an iteration is ${each} dispatches`);
    }

    async #go(): Promise<void> {
        await this.#ensure();
        this.#pace = [];
        const changes = this.#changes;
        const runs = await this.#training.go();
        // The settings were changed meanwhile: this run is over.
        if (changes !== this.#changes) return;
        this.running = runs;
        this.#say(runs ? "training" : "paused");
    }

    async #pause(): Promise<void> {
        this.#say("finishes what is in flight …");
        await this.#training.pause();
        this.running = false;
        this.#say("paused");
    }

    async #step(): Promise<void> {
        await this.#ensure();
        this.running = false;
        this.#pace = [];
        await this.#training.step();
        this.#say("one iteration done");
    }

    async #reset(): Promise<void> {
        await this.#training.pause();
        this.#forget();
        await this.#ensure();
        this.#say("at the beginning");
    }

    async #save(): Promise<void> {
        await this.#ensure();
        const bytes = await this.#training.save();
        const { env, seed } = this.settings.read();
        download(`${env}-s${seed}-policy.safetensors`, "application/octet-stream", bytes as Uint8Array<ArrayBuffer>);
        this.#say(`saved, ${whole(bytes.length)} bytes`);
    }

    async #load(input: HTMLInputElement): Promise<void> {
        const file = input.files?.[0];
        input.value = "";
        if (!file) return;
        await this.#ensure();
        await this.#training.load(new Uint8Array(await file.arrayBuffer()));
        this.#theatre.begin();
        this.#say(`loaded ${file.name}`);
    }

    /** Other settings: what was is over. */
    #forget(): void {
        void this.#training.pause().catch(() => {});
        this.running = false;
        this.#made = false;
        this.#changes++;
        this.#episodes = [];
        this.#pace = [];
        this.#reached = undefined;
        for (const id of ["fact-steps", "fact-updates", "fact-speed", "fact-return"]) byId(id).textContent = "–";
        const { env, algorithm } = this.settings;
        byId("fact-mark").textContent = env.solved === null ? "none" : digits(env.solved);
        byId("fact-mark").title = "";
        byId("scene-title").textContent = env.scene ? "The present policy" : "No picture";
        this.#theatre.show(env.name, env.title ?? env.name, env.scene);
        this.#returns = this.#returnChart(env.solved);
        byId("chart-return").replaceChildren(this.#returns.element);
        const kinds = [...(algorithm.off_policy ? OFF_POLICY : ON_POLICY), ...SHARED];
        this.#charts = kinds.map(([key, title]) => ({ key, chart: new Chart(title, [{ label: title, colour: "curve" }]) }));
        this.#speed = new Chart("Steps per second", [{ label: "steps/s", colour: "curve" }]);
        byId("charts").replaceChildren(...this.#charts.map(({ chart }) => chart.element), this.#speed.element);
        this.#show();
        this.#say("not begun");
    }

    #returnChart(mark: number | null): Chart {
        return new Chart("Return: of an iteration · of the last 100", [
            { label: "of an iteration's episodes", colour: "curve-faint", width: 1.2 },
            { label: "of the last 100 episodes", colour: "curve", width: 2 },
            ...(mark === null ? [] : [{ label: "mark", colour: "mark", dash: [6, 5] }]),
        ]);
    }

    #show(): void {
        this.#buttons.run.textContent = this.running ? "Pause" : "Run";
        this.#buttons.step.disabled = this.running;
    }

    #say(text: string): void {
        byId("status").textContent = text;
    }
}

function finite(value: number | null | undefined): number | null {
    return value !== null && value !== undefined && Number.isFinite(value) ? value : null;
}
