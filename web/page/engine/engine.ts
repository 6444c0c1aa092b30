// The device, and whose turn it is to use it.

import type { Device, Wasm } from "../wasm";
import type { Activity, Counts, DeviceInfo, DeviceOptions, GPUPower, Happening } from "../words";

export class Engine {
    readonly wasm: Wasm;
    readonly tell: (happening: Happening) => void;
    #device: Device | undefined;
    /** Never resolves; rejects when the device is lost. */
    #lost: Promise<never> = new Promise(() => {});
    #active: { activity: Activity; stop: () => Promise<void> } | undefined;

    constructor(wasm: Wasm, tell: (happening: Happening) => void) {
        this.wasm = wasm;
        this.tell = tell;
    }

    /** Asks for a device, in place of the one before. */
    async open(options: DeviceOptions): Promise<DeviceInfo> {
        await this.rest();
        const { adapter, ...rest } = options;
        prefer(adapter);
        const device = await this.wasm.Device.request(JSON.stringify(rest));
        this.#device = device;
        this.#lost = device.lost().then((message) => {
            if (this.#device === device) {
                this.#device = undefined;
                this.#active = undefined;
                this.tell({ what: "lost", message });
            }
            throw Object.assign(new Error(message), { name: "DeviceLost" });
        });
        // Nobody may be waiting when it happens.
        this.#lost.catch(() => {});
        return JSON.parse(device.infoJson()) as DeviceInfo;
    }

    counts(): Counts {
        return JSON.parse(this.device().countsJson()) as Counts;
    }

    /** Loses the device on purpose. */
    destroy(): void {
        this.device().destroy();
    }

    device(): Device {
        if (!this.#device) {
            throw Object.assign(new Error("device lost: begin again to ask for a new one"), { name: "DeviceLost" });
        }
        return this.#device;
    }

    /** What `promise` gives, or the loss of the device, whichever comes first. */
    orLost<T>(promise: Promise<T>): Promise<T> {
        return Promise.race([promise, this.#lost]);
    }

    /** Stops what is going on, and gives the device to `activity`. */
    async turn(activity: Activity, stop: () => Promise<void>): Promise<void> {
        if (this.#active?.activity !== activity) await this.rest();
        this.#active = { activity, stop };
    }

    /** Stops what is going on. */
    async rest(): Promise<void> {
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

/** The module asks for whatever adapter the browser likes; the wish for one of two GPUs is added to its call. */
function prefer(powerPreference: GPUPower | null): void {
    const gpu = (navigator as { gpu?: { requestAdapter(options?: object): Promise<unknown> } }).gpu;
    if (!gpu) return;
    const { requestAdapter } = Object.getPrototypeOf(gpu) as typeof gpu;
    gpu.requestAdapter = (options) => requestAdapter.call(gpu, powerPreference ? { ...options, powerPreference } : options);
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
