// The environment in motion: moments come from the worker ahead of time and are shown at their own pace.

import type { Remote } from "comlink";
import { byId, onTheme } from "../dom";
import { digits } from "../format";
import type { Moment } from "../words";
import type { Training } from "../engine/training";
import { ANGLES, draw } from "./scene";

/** So many moments are asked for at once: a quarter of a second of the quickest environment. */
const AHEAD = 12;

export class Theatre {
    readonly #canvas = byId<HTMLCanvasElement>("scene");
    readonly #note = byId("scene-note");
    readonly #animate = byId<HTMLInputElement>("animate");
    readonly #training: Remote<Training>;
    #env = "";
    #live = false;
    #asking = false;
    #seconds = 0.02;
    #queue: Moment[] = [];
    #last: Moment | undefined;
    #next: Moment | undefined;
    /** Seconds since `#last`. */
    #since = 0;
    #then = 0;
    #painted = 0;
    #ended: number | undefined;

    constructor(training: Remote<Training>) {
        this.#training = training;
        this.#animate.checked = !matchMedia("(prefers-reduced-motion: reduce)").matches;
        onTheme(() => this.#paint());
        new ResizeObserver(() => this.#paint()).observe(this.#canvas);
        const frame = (now: number) => {
            this.#frame(now);
            requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
    }

    /** An environment at rest, before there is a policy. `scene`: whether it has a picture. */
    show(env: string, title: string, scene: boolean): void {
        this.#env = env;
        this.#live = false;
        this.#queue = [];
        this.#next = undefined;
        this.#ended = undefined;
        const rest: { [env: string]: number[] } = { pendulum: [Math.PI], "mountain-car": [-Math.PI / 6] };
        const state = rest[env] ?? [0, 0, 0, 0];
        this.#last = scene ? { state, action: [0], reward: 0, ended: false, episode_return: 0, step: 0 } : undefined;
        this.#canvas.setAttribute("aria-label", scene ? `${title}, acted on by the present policy` : `${title} has no picture`);
        this.#note.textContent = scene
            ? "It acts greedily: the likeliest action, without noise."
            : `${title} is a task of one step and has no picture.`;
        this.#paint();
    }

    /** From now on there is a policy that plays. */
    begin(): void {
        this.#live = this.#last !== undefined;
        this.#queue = [];
        this.#next = undefined;
    }

    #frame(now: number): void {
        // After a while in the background time goes on from where it stood.
        const passed = Math.min(0.1, (now - this.#then) / 1000);
        this.#then = now;
        if (!this.#live || !this.#animate.checked || document.visibilityState !== "visible") return;
        if (this.#canvas.offsetParent === null) return;
        if (this.#queue.length < AHEAD && !this.#asking) void this.#ask();
        this.#since += passed;
        // Half as often as most screens show: enough to look smooth, and less work beside the training.
        if (now - this.#painted < 30) return;
        this.#painted = now;
        while (this.#since >= this.#seconds) {
            const next = this.#next ?? this.#queue.shift();
            if (!next) {
                this.#since = 0;
                return;
            }
            this.#since -= this.#seconds;
            if (next.ended) this.#ended = next.episode_return;
            this.#last = next;
            this.#next = this.#queue.shift();
        }
        this.#paint();
    }

    async #ask(): Promise<void> {
        this.#asking = true;
        try {
            const got = await this.#training.moments(2 * AHEAD);
            if (got && this.#live) {
                this.#seconds = got.seconds;
                this.#queue.push(...got.moments);
            }
        } catch {
            // A lost device is told by the worker.
        } finally {
            this.#asking = false;
        }
    }

    #paint(): void {
        const last = this.#last;
        if (!last) {
            draw(this.#canvas, "", [], 0);
            return;
        }
        const next = this.#next;
        const part = this.#since / this.#seconds;
        const between = next && !last.ended ? mixed(this.#env, last.state, next.state, part) : last.state;
        draw(this.#canvas, this.#env, between, last.action[0] ?? 0);
        if (this.#live) {
            const before = this.#ended === undefined ? "" : ` · before: ${digits(this.#ended)}`;
            this.#note.textContent = `Greedy: return ${digits(last.episode_return)} after ${last.step} steps${before}`;
        }
    }
}

/** A state between two moments. */
function mixed(env: string, from: number[], to: number[], part: number): number[] {
    return from.map((value, index) => {
        let change = (to[index] ?? value) - value;
        if (ANGLES[env]?.includes(index)) change -= 2 * Math.PI * Math.round(change / (2 * Math.PI));
        return value + change * part;
    });
}
