// The modules, each with a device of its own, and whose turn it is to use it.

import type { Device, Modules } from "../wasm";
import type { Activity, Counts, DeviceInfo, DeviceOptions, GPUPower, Happening } from "../words";

type Part = keyof Modules;

export class Engine {
    /** Loaded at the beginning. */
    readonly train: Modules["train"];
    readonly tell: (happening: Happening) => void;
    #measure: Promise<Modules["measure"]> | undefined;
    #options: DeviceOptions = { adapter: null, kernels: "auto", timestamps: false };
    readonly #devices = new Map<Part, Device>();
    /** Devices that were asked for, so that two who need the same one ask once. */
    readonly #asked = new Map<Part, Promise<Device>>();
    /** How often there were other devices: what was asked for before is not wanted any more. */
    #age = 0;
    /** Never resolves; rejects when a device is lost. */
    #lost: Promise<never> = new Promise(() => {});
    #active: { activity: Activity; stop: () => Promise<void> } | undefined;
    /** Turns are given one after another: the next one stops whoever got the last. */
    #turns: Promise<unknown> = Promise.resolve();

    private constructor(train: Modules["train"], tell: (happening: Happening) => void) {
        this.train = train;
        this.tell = tell;
    }

    static async load(tell: (happening: Happening) => void): Promise<Engine> {
        return new Engine(await load("train"), tell);
    }

    /** The module that checks and measures: loaded when first asked for, so that a page that only trains never does. */
    measure(): Promise<Modules["measure"]> {
        this.#measure ??= load("measure").catch((error: unknown) => {
            this.#measure = undefined;
            throw error;
        });
        return this.#measure;
    }

    /** Asks for a device, in place of those before. */
    open(options: DeviceOptions): Promise<DeviceInfo> {
        return this.#next(async () => {
            await this.#rest();
            this.#options = options;
            this.#forget();
            return JSON.parse((await this.#request("train")).infoJson()) as DeviceInfo;
        });
    }

    #forget(): void {
        this.#devices.clear();
        this.#asked.clear();
        this.#age++;
    }

    /** The device of `part`, asked for if it has none yet. */
    async deviceOf(part: Part): Promise<Device> {
        // Without the first there is none: it was lost.
        this.device("train");
        const there = this.#devices.get(part) ?? this.#asked.get(part);
        if (there) return there;
        const asked = this.#request(part).finally(() => {
            if (this.#asked.get(part) === asked) this.#asked.delete(part);
        });
        this.#asked.set(part, asked);
        return asked;
    }

    async #request(part: Part): Promise<Device> {
        const age = this.#age;
        const module = part === "train" ? this.train : await this.measure();
        const { adapter, ...rest } = this.#options;
        prefer(adapter);
        const device = await module.Device.request(JSON.stringify(rest));
        if (age !== this.#age) {
            device.destroy();
            throw gone();
        }
        this.#devices.set(part, device);
        const before = this.#devices.size > 1 ? [this.#lost] : [];
        const lost = device.lost().then((message) => {
            // One is as good as all: what takes the device from one module takes it from the other, or soon will.
            if (this.#devices.get(part) === device) {
                this.#forget();
                this.#active = undefined;
                this.tell({ what: "lost", message });
            }
            throw Object.assign(new Error(message), { name: "DeviceLost" });
        });
        this.#lost = Promise.race([...before, lost]);
        // Nobody may be waiting when it happens.
        this.#lost.catch(() => {});
        return device;
    }

    /** What was done since the devices were opened. */
    counts(): Counts {
        this.device("train");
        const each = [...this.#devices.values()].map((device) => JSON.parse(device.countsJson()) as Counts);
        const sum = (of: (counts: Counts) => number) => each.reduce((total, counts) => total + of(counts), 0);
        return {
            dispatches: sum((counts) => counts.dispatches),
            submissions: sum((counts) => counts.submissions),
            readbacks: sum((counts) => counts.readbacks),
            created: sum((counts) => counts.created),
        };
    }

    /** Loses the device on purpose. */
    destroy(): void {
        this.device("train");
        for (const device of this.#devices.values()) device.destroy();
    }

    device(part: Part): Device {
        const device = this.#devices.get(part);
        if (!device) throw gone();
        return device;
    }

    /** What `promise` gives, or the loss of the device, whichever comes first. */
    orLost<T>(promise: Promise<T>): Promise<T> {
        return Promise.race([promise, this.#lost]);
    }

    /** Stops what is going on, and gives the device to `activity`. */
    turn(activity: Activity, stop: () => Promise<void>): Promise<void> {
        return this.#next(async () => {
            if (this.#active?.activity !== activity) await this.#rest();
            this.#active = { activity, stop };
        });
    }

    #next<T>(work: () => Promise<T>): Promise<T> {
        const done = this.#turns.then(work);
        this.#turns = done.catch(() => {});
        return done;
    }

    /** Stops what is going on. */
    async #rest(): Promise<void> {
        const active = this.#active;
        this.#active = undefined;
        if (active) {
            await active.stop();
            this.tell({ what: "stopped", activity: active.activity });
        }
    }

    /** A loop ended with `error`. A loss is told by whoever watches the device. */
    failed(activity: Activity, error: unknown): void {
        if (isLost(error)) return;
        this.tell({ what: "stopped", activity });
        this.tell({ what: "failed", message: error instanceof Error ? error.message : String(error) });
    }
}

async function load<P extends Part>(part: P): Promise<Modules[P]> {
    const module = (await import(new URL(`./${part}.js`, import.meta.url).href)) as Modules[P];
    await module.default({ module_or_path: new URL(`./${part}_bg.wasm`, import.meta.url) });
    return module;
}

/** The module asks for whatever adapter the browser likes; the wish for one of two GPUs is added to its call. */
function prefer(powerPreference: GPUPower | null): void {
    const gpu = (navigator as { gpu?: { requestAdapter(options?: object): Promise<unknown> } }).gpu;
    if (!gpu) return;
    const { requestAdapter } = Object.getPrototypeOf(gpu) as typeof gpu;
    gpu.requestAdapter = (options) => requestAdapter.call(gpu, powerPreference ? { ...options, powerPreference } : options);
}

function gone(): Error {
    return Object.assign(new Error("device lost: begin again to ask for a new one"), { name: "DeviceLost" });
}

export function isLost(error: unknown): boolean {
    return error instanceof Error && (error.name === "DeviceLost" || error.message.startsWith("device lost"));
}

/** Gives an object of the module back. One that waits for a lost device cannot be: it goes when the device's promises do. */
export function freed(object: { free(): void } | undefined): void {
    try {
        object?.free();
    } catch {
        // It is in use.
    }
}
