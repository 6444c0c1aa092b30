// The worker: wasm and the device are here, so that neither recording nor an oracle in f64 holds the page up.

import * as Comlink from "comlink";
import { Benching } from "./engine/bench";
import { Checking } from "./engine/check";
import { Engine } from "./engine/engine";
import { Modes } from "./engine/modes";
import { Training } from "./engine/training";
import type { Catalogue, Happening, PresetSettings } from "./words";

export class Work {
    #engine: Engine | undefined;
    #training: Training | undefined;
    #modes: Modes | undefined;
    #checking: Checking | undefined;
    #benching: Benching | undefined;

    /** Loads the module that trains; what there is to choose. */
    async begin(tell: (happening: Happening) => void): Promise<Catalogue> {
        const engine = await Engine.load(tell);
        this.#engine = engine;
        this.#training = new Training(engine);
        this.#modes = new Modes(engine);
        this.#checking = new Checking(engine);
        this.#benching = new Benching(engine);
        return JSON.parse(engine.train.catalogueJson()) as Catalogue;
    }

    preset(env: string, algorithm: string, preset: string): PresetSettings {
        return JSON.parse(begun(this.#engine).train.presetJson(env, algorithm, preset)) as PresetSettings;
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
