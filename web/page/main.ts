// The page: tabs, the device, messages, and what ties the views to the worker.

import "./main.css";
import * as Comlink from "comlink";
import { BenchView } from "./bench/view";
import { CheckView } from "./check";
import { byId, el, sentence } from "./dom";
import { whole } from "./format";
import { read, type View, VIEWS, write } from "./hash";
import { ModesView } from "./train/modes";
import { TrainView } from "./train/view";
import type { DeviceInfo, DeviceOptions, GPUPower, Happening } from "./words";
import type { Work } from "./worker";

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "wgpo" });
const work = Comlink.wrap<Work>(worker);

async function begin(): Promise<void> {
    let hear: (happening: Happening) => void = () => {};
    const catalogue = await work.begin(Comlink.proxy((happening: Happening) => hear(happening)));
    const [engine, training, modes, checking, benching] = await Promise.all([
        work.engine,
        work.training,
        work.modes,
        work.checking,
        work.benching,
    ]);
    byId("version").textContent = catalogue.version;

    const remember = () => {
        const { view } = read();
        write(view, words(view));
    };
    const preset = (env: string, algorithm: string, name: string) => work.preset(env, algorithm, name);
    const fail = (error: unknown) => {
        if (error instanceof Error && error.name === "DeviceLost") lost(error.message);
        else say(sentence(error));
    };
    const train = new TrainView(training, catalogue, preset, remember, fail);
    const failures = new ModesView(modes, catalogue, fail);
    const check = new CheckView(checking, remember, fail);
    const bench = new BenchView(benching, remember, fail);
    let interrupted = false;
    let first = true;
    let opening: Promise<void> = Promise.resolve();

    function words(view: View): URLSearchParams {
        const words = { train: () => train.settings.words(), check: () => check.words(), bench: () => bench.words() }[view]();
        const { adapter, kernels, timestamps } = deviceOptions();
        if (adapter) words.set("adapter", adapter);
        if (kernels !== "auto") words.set("kernels", kernels);
        if (timestamps) words.set("clock", "1");
        return words;
    }

    async function follow(): Promise<void> {
        const { view, words } = read();
        if (byId("absent").hidden) show(view);
        const before = JSON.stringify(deviceOptions());
        choose("device-adapter", words.get("adapter"), "");
        choose("device-kernels", words.get("kernels"), "auto");
        byId<HTMLInputElement>("device-clock").checked = words.get("clock") === "1";
        const other = !first && before !== JSON.stringify(deviceOptions());
        if (view === "check") check.take(words);
        if (view === "bench") bench.take(words);
        // A look at another view leaves a run alone.
        if (view === "train" || first) await train.take(view === "train" ? words : new URLSearchParams());
        if (view === "train" && !first) train.prepare();
        first = false;
        if (other) await reopen();
    }

    hear = (happening) => {
        if (happening.what === "statistics") train.takeIn(happening.list);
        else if (happening.what === "mode") failures.takeIn(happening.variant, happening.updates, happening.rewards);
        else if (happening.what === "stopped" && happening.activity === "train") train.stopped();
        else if (happening.what === "stopped" && happening.activity === "modes") failures.stopped();
        else if (happening.what === "failed") say(happening.message);
        else if (happening.what === "lost") {
            interrupted ||= train.running;
            train.stopped();
            failures.stopped();
            device(undefined);
            lost(happening.message);
        }
    };

    function lost(message: string): void {
        const why = message.replace(/[.\s]+$/, "");
        const begun = `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
        say(`${begun} What ran has stopped. With a new device it goes on from the last state that was kept.`, again);
    }

    async function open(): Promise<void> {
        const info = await engine.open(deviceOptions()).catch((error: unknown) => {
            device(undefined);
            throw error;
        });
        device(info);
        bench.device(info);
    }

    /** One after another: of two in a row the second has the last word. */
    function again(): Promise<void> {
        const done = opening.then(async () => {
            interrupted ||= train.running;
            await open();
            const was = interrupted;
            interrupted = false;
            await train.recovered(was);
            await check.recovered();
        });
        opening = done.catch(() => {});
        return done;
    }

    /** With what the panel of the device says now. */
    async function reopen(): Promise<void> {
        // Without a device there was nothing to begin with.
        if (!byId("absent").hidden) return location.reload();
        await again();
    }

    tabs((view) => write(view, words(view)));
    addEventListener("hashchange", () => void follow().catch(fail));
    for (const id of ["device-adapter", "device-kernels", "device-clock"]) {
        byId(id).addEventListener("change", () => {
            remember();
            reopen().catch(fail);
        });
    }
    byId("device-lose").addEventListener("click", () => void engine.destroy());
    byId("device").addEventListener("toggle", () => {
        if (byId<HTMLDetailsElement>("device").open) void facts(engine);
    });

    await follow();
    remember();
    await open();
    if (read().view === "train") train.prepare();
    document.documentElement.dataset.ready = "yes";
    // For tests, and for the curious in the browser's console.
    Object.assign(window, { wgpo: { engine, training, benching } });
}

function deviceOptions(): DeviceOptions {
    const adapter = byId<HTMLSelectElement>("device-adapter").value as GPUPower | "";
    return {
        adapter: adapter || null,
        kernels: byId<HTMLSelectElement>("device-kernels").value,
        timestamps: byId<HTMLInputElement>("device-clock").checked,
    };
}

/** Chooses `value` of a list, or `usual` where there is no such thing. */
function choose(id: string, value: string | null, usual: string): void {
    const select = byId<HTMLSelectElement>(id);
    select.value = [...select.options].some((option) => option.value === value) ? (value ?? usual) : usual;
}

let present: DeviceInfo | undefined;

function device(info: DeviceInfo | undefined): void {
    present = info;
    byId("device-dot").className = `dot ${info ? "good" : "bad"}`;
    byId("device-name").textContent = info ? info.name || "a device without a name" : "no device";
}

/** What the browser tells about the device, and what was done on it. */
async function facts(engine: { counts(): Promise<{ [name: string]: number }> | unknown }): Promise<void> {
    const list: [string, string][] = [];
    if (present) {
        for (const key of ["vendor", "architecture", "device", "description", "device_type", "kernels"] as const) {
            if (present[key]) list.push([key.replace("_", " "), present[key]]);
        }
        list.push(["clock of its own", present.timestamps ? "yes" : "no"]);
        const counts = (await engine.counts()) as { [name: string]: number };
        for (const [key, value] of Object.entries(counts)) list.push([key, whole(value)]);
        for (const [key, value] of Object.entries(present.limits ?? {})) list.push([key.replaceAll("_", " "), whole(value)]);
    }
    byId("device-facts").replaceChildren(...list.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function show(view: View): void {
    for (const name of VIEWS) {
        byId(`view-${name}`).hidden = name !== view;
        const tab = byId(`tab-${name}`);
        tab.setAttribute("aria-selected", String(name === view));
        tab.tabIndex = name === view ? 0 : -1;
    }
}

/** Tabs by pointer and by keyboard: arrows, Home and End. */
function tabs(chosen: (view: View) => void): void {
    VIEWS.forEach((view, index) => {
        const tab = byId(`tab-${view}`);
        const go = (to: View) => {
            show(to);
            chosen(to);
            byId(`tab-${to}`).focus();
        };
        tab.addEventListener("click", () => go(view));
        tab.addEventListener("keydown", (event) => {
            const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: VIEWS.length - 1 }[event.key];
            if (to === undefined) return;
            event.preventDefault();
            go(VIEWS[(to + VIEWS.length) % VIEWS.length] ?? view);
        });
    });
}

/** Shows a sentence; with `again`, a button that begins again. */
function say(text: string, again?: () => Promise<void>): void {
    byId("message-text").textContent = text;
    byId("message").hidden = false;
    const button = byId<HTMLButtonElement>("message-again");
    button.hidden = !again;
    button.onclick = () => {
        byId("message").hidden = true;
        again?.().catch((error: unknown) => say(sentence(error), again));
    };
}

/** Without a device the page says why, and what to try. */
function absent(why: string): void {
    byId("absent-why").textContent = why;
    byId("absent").hidden = false;
    for (const view of VIEWS) byId(`view-${view}`).hidden = true;
    byId("views").hidden = true;
    device(undefined);
}

byId("message-close").addEventListener("click", () => (byId("message").hidden = true));
byId("absent-again").addEventListener("click", () => location.reload());
byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
});
document.addEventListener("click", (event) => {
    const panel = byId<HTMLDetailsElement>("device");
    if (panel.open && event.target instanceof Node && !panel.contains(event.target)) panel.open = false;
});
document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId<HTMLDetailsElement>("device").open = false;
});
show(read().view);

if (!isSecureContext) absent("This page came over a connection on which browsers offer no WebGPU.");
else if (!("gpu" in navigator)) absent("This browser has no WebGPU, or it is switched off.");
else {
    worker.addEventListener("error", (event) => say(`The worker could not begin: ${event.message || "its file did not load"}.`));
    begin().catch((error: unknown) => {
        const name = error instanceof Error ? error.name : "";
        if (name === "NoAdapter" || name === "NoDevice") absent(sentence(error));
        else say(sentence(error));
    });
}
