// The worker: wasm and the device are here, so that neither recording nor an oracle in f64 holds the page up.

import * as Comlink from "comlink";
import { Benching } from "./engine/bench";
import { Checking } from "./engine/check";
import { Engine } from "./engine/engine";
import { Modes } from "./engine/modes";
import { Training } from "./engine/training";
import type { Wasm } from "./wasm";
import type { Catalogue, Happening, PresetSettings } from "./words";

export class Work {
    #wasm: Wasm | undefined;
    #engine: Engine | undefined;
    #training: Training | undefined;
    #modes: Modes | undefined;
    #checking: Checking | undefined;
    #benching: Benching | undefined;

    /** Loads the module; what there is to choose. */
    async begin(tell: (happening: Happening) => void): Promise<Catalogue> {
        const wasm = (await import(new URL("./wgpo_web.js", import.meta.url).href)) as Wasm;
        await wasm.default({ module_or_path: new URL("./wgpo_web_bg.wasm", import.meta.url) });
        this.#wasm = wasm;
        this.#engine = new Engine(wasm, tell);
        this.#training = new Training(this.#engine);
        this.#modes = new Modes(this.#engine);
        this.#checking = new Checking(this.#engine);
        this.#benching = new Benching(this.#engine);
        return JSON.parse(wasm.catalogueJson()) as Catalogue;
    }

    preset(env: string, algorithm: string, preset: string): PresetSettings {
        return JSON.parse(begun(this.#wasm).presetJson(env, algorithm, preset)) as PresetSettings;
    }

    get engine(): Engine & Comlink.ProxyMarked {
        return Comlink.proxy(begun(this.#engine));
    }
    get training(): Training & Comlink.ProxyMarked {
        return Comlink.proxy(begun(this.#training));
    }
    get modes(): Modes & Comlink.ProxyMarked {
        return Comlink.proxy(begun(this.#modes));
    }
    get checking(): Checking & Comlink.ProxyMarked {
        return Comlink.proxy(begun(this.#checking));
    }
    get benching(): Benching & Comlink.ProxyMarked {
        return Comlink.proxy(begun(this.#benching));
    }
}

function begun<T>(part: T | undefined): T {
    if (part === undefined) throw new Error("the module is not loaded yet");
    return part;
}

Comlink.expose(new Work());
