// What the wasm modules offer, as TypeScript sees it. Names that end with Json are JSON text; the types of what they hold are in words.ts.
// Every error is an Error whose message is a sentence to show. Its name is DeviceLost, NoAdapter or NoDevice where that is what happened.

export interface Device {
    infoJson(): string;
    countsJson(): string;
    /** Resolves with a sentence when the device is lost. */
    lost(): Promise<string>;
    /** Destroys the device, as a driver's reset would. */
    destroy(): void;
    free(): void;
}

/** A run on the device. At most two iterations are in flight. */
export interface Run {
    settingsJson(): string;
    submit(): void;
    inFlight(): number;
    statisticsJson(): Promise<string>;
    stateBytes(replay: boolean): Promise<Uint8Array>;
    policyBytes(): Promise<Uint8Array>;
    loadPolicy(bytes: Uint8Array): Promise<void>;
    parameters(): Promise<Float32Array>;
    player(seed: bigint): Promise<Player>;
    refreshPlayer(player: Player): Promise<void>;
    dispatches(): number;
    free(): void;
}

/** One environment on the host, acted on greedily. */
export interface Player {
    stepJson(): string;
    seconds(): number;
    env(): string;
    free(): void;
}

export interface Bench {
    namesJson(): string;
    step(): Promise<string>;
    recordJson(): string;
    free(): void;
}

/** What each of the two modules has. */
interface Module {
    default(options: { module_or_path: URL | BufferSource }): Promise<unknown>;
    version(): string;
    Device: { request(options: string): Promise<Device> };
}

export interface TrainModule extends Module {
    catalogueJson(): string;
    presetJson(env: string, algorithm: string, preset: string): string;
    Run: {
        create(device: Device, settings: string): Promise<Run>;
        resume(device: Device, settings: string, state: Uint8Array): Promise<Run>;
    };
    Player: { fromPolicy(bytes: Uint8Array, seed: bigint): Player };
    FailureModes: { create(device: Device, mode: number, variant: string, seed: number): Promise<Run> };
}

/** Loaded when it is first asked for. */
export interface MeasureModule extends Module {
    Check: {
        namesJson(quick: boolean): string;
        run(device: Device, index: number, quick: boolean): Promise<string>;
        reportJson(device: Device, rows: string): string;
    };
    Bench: { create(device: Device, options: string): Bench };
}

export interface Modules {
    train: TrainModule;
    measure: MeasureModule;
}
