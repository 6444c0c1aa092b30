// The name of the browser, for the record.

interface Brands {
    userAgentData?: { brands: { brand: string; version: string }[] };
}

/** Such as "Chromium 156" or "Firefox 145". */
export function browser(): string {
    const brands = (navigator as Brands).userAgentData?.brands.filter(({ brand }) => !/not.?a.?brand/i.test(brand)) ?? [];
    const named = brands.find(({ brand }) => brand !== "Chromium") ?? brands[0];
    if (named) return `${named.brand} ${named.version}`;
    const { userAgent } = navigator;
    for (const [name, pattern] of [
        ["Firefox", /Firefox\/([\d.]+)/],
        ["Edge", /Edg\/([\d.]+)/],
        ["Chromium", /Chrom(?:e|ium)\/(\d+)/],
        ["Safari", /Version\/([\d.]+).*Safari/],
    ] as const) {
        const found = pattern.exec(userAgent);
        if (found) return `${name} ${found[1] ?? ""}`;
    }
    return "a browser of unknown name";
}
