// What the module's JSON holds.

export interface EnvInfo {
    name: string;
    title: string | null;
    /** Whether there is a picture of it. */
    scene: boolean;
    actions: "choices" | "numbers";
    obs_dim: number;
    /** Mean return that counts as learnt. */
    solved: number | null;
    heads: string[];
    algorithms: string[];
}

export interface AlgorithmInfo {
    name: string;
    title: string;
    off_policy: boolean;
    presets: string[];
}

export interface ModeInfo {
    number: number;
    env: string;
    title: string;
    variants: { key: string; label: string }[];
}

export interface Catalogue {
    version: string;
    envs: EnvInfo[];
    algorithms: AlgorithmInfo[];
    activations: string[];
    failure_modes: ModeInfo[];
}

export type Config = { [key: string]: unknown };

/** All settings that a choice gives. */
export interface PresetSettings {
    config: Config;
    hidden: number[];
    activation: string;
    head: string | null;
}

/** What a run is made from. */
export interface RunSettings {
    env: string;
    algorithm: string;
    preset: string;
    head?: string;
    seed: number;
    hidden: number[];
    activation?: string;
    num_envs?: number;
    config?: Config;
}

export type GPUPower = "high-performance" | "low-power";

export interface DeviceOptions {
    /** Which of two GPUs, where the browser lets a page choose. */
    adapter: GPUPower | null;
    kernels: string;
    /** Whether the device's own clock is asked for. */
    timestamps: boolean;
}

export interface DeviceInfo {
    name: string;
    vendor: string;
    architecture: string;
    device: string;
    description: string;
    device_type: string;
    limits: { [name: string]: number };
    kernels: string;
    timestamps: boolean;
}

export interface Counts {
    dispatches: number;
    submissions: number;
    readbacks: number;
    created: number;
}

export interface Statistics {
    env_steps: number;
    updates: number;
    episodes: { count: number; mean_return: number | null; mean_length: number | null };
    update: { [name: string]: number | null };
}

export interface Moment {
    state: number[];
    action: number[];
    reward: number;
    ended: boolean;
    episode_return: number;
    step: number;
}

export interface CheckRow {
    kernel: string;
    shape: string;
    worst_error: number | null;
    tolerance: number;
    slack: number;
    slack_reason: string | null;
    reason: string;
    fault: string | null;
    passed: boolean;
}

export interface BenchProgress {
    done: number;
    of: number;
    what: string;
    finished: boolean;
}

export interface Seconds {
    median: number;
    low: number;
    high: number;
    repeats: number;
}

/** A row of a record: docs/bench-format.md. */
export interface BenchRow {
    name: string;
    shape: string;
    net: string | null;
    passed: boolean;
    worst_error: number | null;
    tolerance: number;
    fault: string | null;
    unit: string;
    units: number;
    flops: number;
    bytes: number;
    seconds: Seconds | null;
    rounds?: number[];
    other_cpus?: number | null;
    clock: string | null;
    units_per_second: number | null;
    flops_per_second: number | null;
    bytes_per_second: number | null;
    roof_share: number | null;
    update_share: number | null;
    dispatches: number | null;
    kernels: { kernel: string; dispatches: number; seconds: number; share: number }[];
}

export interface BenchRecord {
    format: number;
    wgpo: string;
    date: string;
    quick: boolean;
    seconds_per_row: number;
    load?: { other_cpus: number; cpus: number } | null;
    place: {
        backend: string;
        adapter: string | null;
        api: string | null;
        device_type: string | null;
        driver: string | null;
        driver_info: string | null;
        kernels?: string | null;
        timestamps: boolean;
        architecture: string;
        system: string;
        [key: string]: unknown;
    };
    roof: {
        bytes_per_second: number;
        flops_per_second: number;
        dispatch_seconds: number | null;
        submission_seconds: number | null;
        readback_seconds: number | null;
        method: string;
        [key: string]: unknown;
    };
    rows: BenchRow[];
}

/** Statistics with the moment of their arrival in ms. */
export type Timed = Statistics & { time: number };

/** What the worker tells the page unasked. */
export type Happening =
    | { what: "statistics"; list: Timed[] }
    | { what: "kept"; bytes: number }
    | { what: "lost"; message: string }
    | { what: "failed"; message: string }
    | { what: "stopped"; activity: Activity }
    | { what: "mode"; variant: string; updates: number[]; rewards: number[] };

/** What uses the device; one of them at a time. */
export type Activity = "train" | "modes" | "check" | "bench";
