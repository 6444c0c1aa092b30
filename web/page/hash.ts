// The part of the address after #: the view, and its settings. A link reproduces a run.

export const VIEWS = ["train", "check", "bench"] as const;
export type View = (typeof VIEWS)[number];

/** The view that the address names, and what it says of it. */
export function read(): { view: View; words: URLSearchParams } {
    const [name = "", rest = ""] = location.hash.replace(/^#/, "").split("?", 2);
    const view = VIEWS.find((view) => view === name) ?? "train";
    return { view, words: new URLSearchParams(rest) };
}

/** Writes both into the address, without a step in the history. */
export function write(view: View, words: URLSearchParams): void {
    const text = words.toString().replaceAll("%2C", ",");
    history.replaceState(null, "", `#${view}${text ? `?${text}` : ""}`);
}
