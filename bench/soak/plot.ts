/** One line of a panel: a value for each second. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

const WIDTH = 900;
const PANEL_HEIGHT = 220;
const LEFT = 70;
const RIGHT = 180;
const TOP = 30;
const BOTTOM = 25;
const COLOURS = ["#1b6ca8", "#c0392b", "#27865f", "#8e5ba6", "#b7791f", "#555555"];

/** Panels one above the other, over the same time, as SVG. */
export function plot(panels: readonly Panel[], seconds: number, killedAt: readonly number[]): string {
  const height = panels.length * PANEL_HEIGHT;
  const body = panels.map((panel, index) => drawPanel(panel, index * PANEL_HEIGHT, seconds, killedAt)).join("\n");
  const font = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ${font}>
<rect width="${WIDTH}" height="${height}" fill="white"/>
${body}
</svg>
`;
}

function drawPanel({ title, series }: Panel, y: number, seconds: number, killedAt: readonly number[]): string {
  const top = y + TOP;
  const bottom = y + PANEL_HEIGHT - BOTTOM;
  const most = Math.max(1, ...series.flatMap(({ values }) => values)) * 1.05;
  const right = WIDTH - RIGHT;
  const xOf = (second: number) => round(LEFT + (second / Math.max(1, seconds)) * (right - LEFT));
  const yOf = (value: number) => round(bottom - (value / most) * (bottom - top));
  const line = (x1: number, y1: number, x2: number, y2: number, colour: string) =>
    `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}"/>`;
  return [
    `<text x="${LEFT}" y="${top - 10}" font-weight="bold">${title}</text>`,
    ...killedAt.map((second) => line(xOf(second), top, xOf(second), bottom, "#eeeeee")),
    line(LEFT, bottom, right, bottom, "#888888"),
    line(LEFT, top, LEFT, bottom, "#888888"),
    `<text x="${LEFT - 5}" y="${top + 4}" text-anchor="end">${round(most)}</text>`,
    `<text x="${LEFT - 5}" y="${bottom}" text-anchor="end">0</text>`,
    `<text x="${right}" y="${bottom + 15}" text-anchor="end">${Math.round(seconds)} s</text>`,
    ...series.map(({ name, values }, index) => {
      const colour = COLOURS[index % COLOURS.length];
      const step = seconds / Math.max(1, values.length);
      const points = values.map((value, at) => `${xOf(at * step)},${yOf(value)}`).join(" ");
      const label = `<text x="${right + 10}" y="${top + 12 + index * 16}" fill="${colour}">${name}</text>`;
      return `<polyline points="${points}" fill="none" stroke="${colour}"/>\n${label}`;
    }),
  ].join("\n");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
