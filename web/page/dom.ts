// Small helpers round the document.

type Attributes = { [name: string]: string | number | boolean | undefined };

/** A new element with attributes and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    attributes: Attributes = {},
    ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
    const made = document.createElement(tag);
    set(made, attributes);
    made.append(...children);
    return made;
}

/** The same for a picture. */
export function svg<K extends keyof SVGElementTagNameMap>(
    tag: K,
    attributes: Attributes = {},
    ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    set(made, attributes);
    made.append(...children);
    return made;
}

function set(element: Element, attributes: Attributes): void {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
    }
}

/** The element of that id, which index.html has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
    const found = document.getElementById(id);
    if (!found) throw new Error(`the page has no element "${id}"`);
    return found as T;
}

/** Offers `content` as a file. */
export function download(name: string, type: string, content: BlobPart): void {
    const url = URL.createObjectURL(new Blob([content], { type }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What went wrong, as a sentence. */
export function sentence(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const colours = new Map<string, string>();
dark.addEventListener("change", () => colours.clear());

/** A colour of main.css. */
export function colour(name: string): string {
    let value = colours.get(name);
    if (value === undefined) {
        value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
        colours.set(name, value);
    }
    return value;
}

/** Calls `change` when light becomes dark, or dark light. */
export function onTheme(change: () => void): void {
    dark.addEventListener("change", change);
}
