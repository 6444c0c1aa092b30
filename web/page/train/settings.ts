// The form of the settings: what may be chosen, what a preset gives, and what was changed.

import { byId, el } from "../dom";
import type { AlgorithmInfo, Catalogue, Config, EnvInfo, PresetSettings, RunSettings } from "../words";

/** Keys that have a field of their own. */
const OWN = new Set(["num_envs", "seed", "algorithm"]);

export class Settings {
    readonly #catalogue: Catalogue;
    readonly #preset: (env: string, algorithm: string, preset: string) => Promise<PresetSettings>;
    readonly #changed: () => void;
    readonly #fields = {
        env: byId<HTMLSelectElement>("env"),
        algorithm: byId<HTMLSelectElement>("algorithm"),
        preset: byId<HTMLSelectElement>("preset"),
        head: byId<HTMLSelectElement>("head"),
        seed: byId<HTMLInputElement>("seed"),
        num_envs: byId<HTMLInputElement>("num_envs"),
        hidden: byId<HTMLInputElement>("hidden"),
        activation: byId<HTMLSelectElement>("activation"),
    };
    /** What the preset gives; keys of tables inside tables have dots between them. */
    #base: { hidden: string; activation: string; num_envs: string; config: Map<string, string> } = {
        hidden: "",
        activation: "",
        num_envs: "",
        config: new Map(),
    };
    #inputs = new Map<string, HTMLInputElement>();

    constructor(
        catalogue: Catalogue,
        preset: (env: string, algorithm: string, preset: string) => Promise<PresetSettings>,
        changed: () => void,
    ) {
        this.#catalogue = catalogue;
        this.#preset = preset;
        this.#changed = changed;
        const { env, algorithm, preset: named, activation } = this.#fields;
        env.replaceChildren(...catalogue.envs.map((env) => el("option", { value: env.name }, env.title ?? env.name)));
        activation.replaceChildren(...catalogue.activations.map((name) => el("option", {}, name)));
        env.addEventListener("change", () => void this.#choose("env"));
        algorithm.addEventListener("change", () => void this.#choose("algorithm"));
        named.addEventListener("change", () => void this.#choose("preset"));
        for (const field of [this.#fields.head, this.#fields.seed, this.#fields.num_envs, this.#fields.hidden, activation]) {
            field.addEventListener("change", () => this.#changed());
        }
        byId("defaults").addEventListener("click", () => void this.#choose("preset"));
        byId("advanced-filter").addEventListener("input", () => this.#filter());
        const more = byId<HTMLInputElement>("advanced-more");
        byId("advanced-add").addEventListener("click", () => {
            const key = more.value.trim();
            if (key) (this.#inputs.get(key) ?? this.#extra(key)).focus();
            more.value = "";
        });
        byId("settings").addEventListener("submit", (event) => event.preventDefault());
    }

    get env(): EnvInfo {
        const { envs } = this.#catalogue;
        const chosen = envs.find((env) => env.name === this.#fields.env.value) ?? envs[0];
        if (!chosen) throw new Error("the module has no environments");
        return chosen;
    }

    get algorithm(): AlgorithmInfo {
        const { algorithms } = this.#catalogue;
        const chosen = algorithms.find((one) => one.name === this.#fields.algorithm.value) ?? algorithms[0];
        if (!chosen) throw new Error("the module has no algorithms");
        return chosen;
    }

    /** What a run is made from. Throws a sentence if a field holds no number. */
    read(): RunSettings {
        const { head, seed, activation, num_envs, hidden } = this.#fields;
        const settings: RunSettings = {
            env: this.env.name,
            algorithm: this.algorithm.name,
            preset: this.#fields.preset.value,
            seed: number(seed.value, "seed"),
            hidden: hidden.value.split(",").filter((size) => size.trim()).map((size) => number(size, "hidden layers")),
            activation: activation.value,
        };
        if (head.value) settings.head = head.value;
        if (num_envs.value) settings.num_envs = number(num_envs.value, "environments");
        const config: Config = {};
        for (const [key, input] of this.#inputs) {
            if (input.value !== this.#base.config.get(key)) put(config, key.split("."), parsed(input.value));
        }
        if (Object.keys(config).length > 0) settings.config = config;
        return settings;
    }

    /** What differs from the first choice, for the address. */
    words(): URLSearchParams {
        const words = new URLSearchParams();
        const { env, algorithm, preset, head, seed, hidden, activation, num_envs } = this.#fields;
        words.set("env", env.value);
        words.set("algorithm", algorithm.value);
        words.set("preset", preset.value);
        if (head.value) words.set("head", head.value);
        words.set("seed", seed.value);
        if (hidden.value !== this.#base.hidden) words.set("hidden", hidden.value.replaceAll(" ", ""));
        if (activation.value !== this.#base.activation) words.set("activation", activation.value);
        if (num_envs.value !== this.#base.num_envs) words.set("num_envs", num_envs.value);
        for (const [key, input] of this.#inputs) {
            if (input.value !== this.#base.config.get(key)) words.set(`c.${key}`, input.value);
        }
        return words;
    }

    /** Takes what an address says; what it does not say is the first choice. */
    async take(words: URLSearchParams): Promise<void> {
        const { env, algorithm, preset, head, seed, hidden, activation, num_envs } = this.#fields;
        pick(env, words.get("env"));
        this.#offer("env");
        pick(algorithm, words.get("algorithm"));
        this.#offer("algorithm");
        pick(preset, words.get("preset"));
        await this.#fill();
        pick(head, words.get("head"));
        seed.value = words.get("seed") ?? "1";
        hidden.value = words.get("hidden") ?? hidden.value;
        pick(activation, words.get("activation"));
        num_envs.value = words.get("num_envs") ?? num_envs.value;
        for (const [name, value] of words) {
            const key = name.startsWith("c.") ? name.slice(2) : "";
            if (key) (this.#inputs.get(key) ?? this.#extra(key)).value = value;
        }
        this.#mark();
        // What a link changes is to be seen.
        if ([...words.keys()].some((name) => name.startsWith("c."))) byId<HTMLDetailsElement>("advanced").open = true;
    }

    async #choose(what: "env" | "algorithm" | "preset"): Promise<void> {
        if (what !== "preset") this.#offer(what);
        await this.#fill();
        this.#changed();
    }

    /** The choices that go with the environment, or with the algorithm. */
    #offer(what: "env" | "algorithm"): void {
        const { algorithm, preset, head } = this.#fields;
        if (what === "env") {
            const before = algorithm.value;
            const known = this.#catalogue.algorithms.filter((one) => this.env.algorithms.includes(one.name));
            algorithm.replaceChildren(...known.map((one) => el("option", { value: one.name }, one.title)));
            pick(algorithm, before);
            const heads = this.env.heads.map((name) => el("option", { value: name }, name));
            head.replaceChildren(el("option", { value: "" }, "usual"), ...heads);
        }
        const before = preset.value;
        preset.replaceChildren(...this.algorithm.presets.map((name) => el("option", {}, name)));
        pick(preset, before);
    }

    /** Fills in what the preset gives. */
    async #fill(): Promise<void> {
        const { preset, hidden, activation, num_envs, head } = this.#fields;
        const given = await this.#preset(this.env.name, this.algorithm.name, preset.value);
        hidden.value = given.hidden.join(", ");
        pick(activation, given.activation);
        num_envs.value = text(given.config.num_envs);
        head.value = "";
        const usual = head.options[0];
        if (usual) usual.textContent = given.head ? `usual (${given.head})` : "usual";
        const config = new Map(flat(given.config).filter(([key]) => !OWN.has(key)));
        this.#base = { hidden: hidden.value, activation: activation.value, num_envs: num_envs.value, config };
        this.#inputs = new Map();
        byId("advanced-rows").replaceChildren();
        for (const [key, value] of config) this.#row(key, value);
        this.#filter();
        this.#mark();
    }

    #row(key: string, value: string): HTMLInputElement {
        const input = el("input", { type: "text", value, id: `c.${key}`, spellcheck: "false" });
        input.addEventListener("change", () => {
            this.#mark();
            this.#changed();
        });
        this.#inputs.set(key, input);
        const name = el("label", { for: `c.${key}` }, key);
        byId("advanced-rows").append(el("tr", { "data-key": key }, el("th", { scope: "row" }, name), el("td", {}, input)));
        return input;
    }

    /** A row for a setting that the preset leaves off. */
    #extra(key: string): HTMLInputElement {
        this.#base.config.set(key, "off");
        return this.#row(key, "off");
    }

    #filter(): void {
        const wanted = byId<HTMLInputElement>("advanced-filter").value.trim().toLowerCase();
        for (const row of byId("advanced-rows").children as HTMLCollectionOf<HTMLElement>) {
            row.hidden = !(row.dataset.key ?? "").toLowerCase().includes(wanted);
        }
    }

    #mark(): void {
        let changed = 0;
        for (const [key, input] of this.#inputs) {
            const differs = input.value !== this.#base.config.get(key);
            input.closest("tr")?.classList.toggle("changed", differs);
            changed += Number(differs);
        }
        byId("advanced-count").textContent = `(${this.#inputs.size}${changed ? `, ${changed} changed` : ""})`;
    }
}

/** Chooses `value` if it is there, else the first. */
function pick(select: HTMLSelectElement, value: string | null): void {
    const there = [...select.options].some((option) => option.value === value);
    if (value !== null && there) select.value = value;
    else if (select.selectedIndex < 0) select.selectedIndex = 0;
}

function number(text: string, what: string): number {
    const value = Number(text.trim() === "" ? NaN : text);
    if (!Number.isFinite(value)) throw new Error(`${what}: "${text}" is no number`);
    return value;
}

function text(value: unknown): string {
    if (value === null || value === undefined) return "off";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A value as it was typed: a number, true or false, a list, or a word; null for a setting that is off. */
function parsed(typed: string): unknown {
    if (typed.trim() === "off") return null;
    try {
        return JSON.parse(typed);
    } catch {
        return typed.trim();
    }
}

/** Keys of tables inside tables have dots between them. */
function flat(config: Config, before = ""): [string, string][] {
    return Object.entries(config).flatMap(([key, value]) =>
        value !== null && typeof value === "object" && !Array.isArray(value)
            ? flat(value as Config, `${before}${key}.`)
            : [[`${before}${key}`, text(value)] as [string, string]],
    );
}

function put(config: Config, path: string[], value: unknown): void {
    const [first = "", ...rest] = path;
    if (rest.length === 0) config[first] = value;
    else put((config[first] ??= {}) as Config, rest, value);
}
