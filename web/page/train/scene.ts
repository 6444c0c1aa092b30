// The environments' pictures, as `wgpo play` draws them: lengths are pixels of a picture of 600 × 400, y downwards.

import { colour } from "../dom";

const WIDTH = 600;
const HEIGHT = 400;
type Pen = CanvasRenderingContext2D;

/** Numbers of the state that are angles: between two moments they go the short way round. */
export const ANGLES: { [env: string]: number[] } = { cartpole: [2], pendulum: [0], acrobot: [0, 1] };

const PICTURES: { [env: string]: (pen: Pen, state: number[], action: number) => void } = {
    cartpole,
    pendulum,
    acrobot,
    "mountain-car": mountainCar,
};

/** Draws a moment of `env` over the whole canvas, as sharp as the screen is. */
export function draw(canvas: HTMLCanvasElement, env: string, state: number[], action: number): void {
    const scale = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale);
    const height = Math.round(canvas.clientHeight * scale);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pen = canvas.getContext("2d");
    if (!pen || width === 0) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    const fit = Math.min(width / WIDTH, height / HEIGHT);
    pen.setTransform(fit, 0, 0, fit, (width - fit * WIDTH) / 2, (height - fit * HEIGHT) / 2);
    pen.lineCap = "round";
    PICTURES[env]?.(pen, state, action);
}

function line(pen: Pen, name: string, width: number, ...points: [number, number][]): void {
    pen.strokeStyle = colour(name);
    pen.lineWidth = width;
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(x, y);
    pen.stroke();
}

function disc(pen: Pen, name: string, x: number, y: number, radius: number): void {
    pen.fillStyle = colour(name);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
}

function box(pen: Pen, name: string, x: number, y: number, width: number, height: number, round: number): void {
    pen.fillStyle = colour(name);
    pen.beginPath();
    pen.roundRect(x, y, width, height, round);
    pen.fill();
}

/** Draws with the origin at (x, y), turned clockwise by `angle`. */
function placed(pen: Pen, x: number, y: number, angle: number, paint: () => void): void {
    pen.save();
    pen.translate(x, y);
    pen.rotate(angle);
    paint();
    pen.restore();
}

/** A bar from the origin, `full` long at strength 1. */
function bar(pen: Pen, full: number, strength: number): void {
    const length = full * Math.max(-1, Math.min(1, strength));
    pen.fillStyle = colour("push");
    pen.fillRect(Math.min(0, length), -4, Math.abs(length), 8);
}

function cartpole(pen: Pen, state: number[], action: number): void {
    const scale = 110;
    const ground = 300;
    const [left, right] = [WIDTH / 2 - 2.4 * scale, WIDTH / 2 + 2.4 * scale];
    line(pen, "edge", 2, [left, ground], [right, ground]);
    for (const x of [left, right]) line(pen, "edge", 2, [x, ground - 12], [x, ground + 12]);
    placed(pen, WIDTH / 2 + scale * (state[0] ?? 0), ground, 0, () => {
        box(pen, "body", -32, -14, 64, 28, 5);
        placed(pen, 0, 40, 0, () => bar(pen, 50, action > 0.5 ? 1 : -1));
        // From upright, to the right.
        placed(pen, 0, 0, state[2] ?? 0, () => {
            line(pen, "link", 9, [0, 0], [0, -scale]);
            disc(pen, "joint", 0, 0, 6);
        });
    });
}

function pendulum(pen: Pen, state: number[], action: number): void {
    const length = 120;
    placed(pen, WIDTH / 2, 190, 0, () => {
        pen.strokeStyle = colour("line");
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.arc(0, 0, length, 0, 2 * Math.PI);
        pen.stroke();
        // 0 is upright, and angles are counterclockwise.
        placed(pen, 0, 0, -(state[0] ?? 0), () => {
            line(pen, "link", 9, [0, 0], [0, -length]);
            disc(pen, "body", 0, -length, 13);
        });
        disc(pen, "joint", 0, 0, 7);
    });
    // Counterclockwise is to the left on top.
    placed(pen, WIDTH / 2, HEIGHT - 34, 0, () => {
        bar(pen, 150, -action / 2);
        line(pen, "edge", 2, [0, -9], [0, 9]);
    });
}

function acrobot(pen: Pen, state: number[], action: number): void {
    const length = 84;
    const link = (name: string) => {
        line(pen, name, 9, [0, 0], [0, length]);
        disc(pen, "joint", 0, 0, 7);
    };
    placed(pen, WIDTH / 2, 200, 0, () => {
        pen.setLineDash([7, 7]);
        line(pen, "mark", 2, [-2.4 * length, -length], [2.4 * length, -length]);
        pen.setLineDash([]);
        // 0 hangs down, and angles are counterclockwise; the second is from the direction of the first.
        placed(pen, 0, 0, -(state[0] ?? 0), () => {
            link("body");
            placed(pen, 0, length, -(state[1] ?? 0), () => link("link"));
        });
    });
    placed(pen, WIDTH / 2, HEIGHT - 20, 0, () => {
        bar(pen, 150, 1 - action);
        line(pen, "edge", 2, [0, -9], [0, 9]);
    });
}

function mountainCar(pen: Pen, state: number[], action: number): void {
    const scale = 310;
    const place = (x: number): [number, number] => [
        WIDTH / 2 + scale * (x + 0.3),
        HEIGHT - 30 - 290 * (Math.sin(3 * x) * 0.45 + 0.55),
    ];
    line(pen, "edge", 2, ...Array.from({ length: 91 }, (_, step) => place(-1.2 + 0.02 * step)));
    const [x, y] = place(0.45);
    line(pen, "mark", 2, [x, y], [x, y - 50]);
    pen.fillStyle = colour("mark");
    pen.beginPath();
    for (const [right, up] of [[0, 50], [24, 41], [0, 32]] as const) pen.lineTo(x + right, y - up);
    pen.fill();
    const position = state[0] ?? 0;
    // The slope as it is drawn: 290 of 310 of the hill's.
    const slope = -Math.atan((1.35 * Math.cos(3 * position) * 290) / scale);
    placed(pen, ...place(position), slope, () => {
        box(pen, "body", -22, -24, 44, 16, 4);
        for (const wheel of [-12, 12]) disc(pen, "joint", wheel, -6, 6);
        placed(pen, 0, -36, 0, () => bar(pen, 40, action));
    });
}
