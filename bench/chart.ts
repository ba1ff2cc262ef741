/** Charts as SVG, readable on a light and on a dark page. Pure: the same data are the same text. */

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly axis: string;
  readonly columns: readonly string[];
  /** A value for each column; `undefined` where there is none. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
}

const WIDTH = 860;
const HEIGHT = 440;
const LEFT = 72;
const TOP = 56;
const RIGHT = 220;
const BOTTOM = 56;
const ROW = 26;
/** Of those that are not told apart by earshot's own color. */
const COLORS = [
  "#e8590c",
  "#2f9e44",
  "#9c36b5",
  "#e03131",
  "#1098ad",
  "#f08c00",
  "#868e96",
  "#5f3dc4",
  "#c2255c",
  "#66a80f",
];
const OWN_COLORS = ["#1c7ed6", "#4dabf7", "#74c0fc", "#1864ab", "#3bc9db", "#0b7285"];

const STYLE = `<style>
text { font: 13px system-ui, sans-serif; fill: #212529 }
.title { font-size: 16px; font-weight: 600 }
.quiet { fill: #868e96 }
.grid { stroke: #868e96; stroke-opacity: .25 }
@media (prefers-color-scheme: dark) { text { fill: #dee2e6 } .quiet { fill: #adb5bd } }
</style>`;

function inXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${attributes}>${inXml(content)}</text>`;
}

/** earshot in blue, whatever else is there. */
function colors(names: readonly string[]): Map<string, string> {
  let own = 0;
  let other = 0;
  return new Map(
    names.map((name) => [
      name,
      (name.startsWith("earshot") ? OWN_COLORS[own++ % OWN_COLORS.length] : COLORS[other++ % COLORS.length]) ?? "",
    ]),
  );
}

function document(height: number, title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`;
  return `${[head, `<title>${inXml(title)}</title>`, STYLE, ...parts, "</svg>"].join("\n")}\n`;
}

/** Powers of ten that enclose all values. */
function decades(values: readonly number[]): [least: number, most: number] {
  const least = Math.floor(Math.log10(Math.min(...values)));
  return [least, Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))))];
}

function label(power: number): string {
  return power < 0 ? (10 ** power).toFixed(-power) : (10 ** power).toLocaleString("en-US");
}

/** Lines over columns, which are at equal distances; the scale is logarithmic. */
export function lineChart({ title, unit, axis, columns, series }: Chart): string {
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined && value > 0)) as number[];
  if (all.length === 0) return document(TOP, title, [text(16, 28, `${title}: nothing measured`, ' class="title"')]);
  const [least, most] = decades(all);
  const x = (column: number) => LEFT + ((WIDTH - LEFT - RIGHT) * column) / Math.max(1, columns.length - 1);
  const y = (value: number) =>
    HEIGHT - BOTTOM - ((Math.log10(value) - least) / (most - least)) * (HEIGHT - TOP - BOTTOM);
  const parts = [text(16, 28, `${title}, ${unit}`, ' class="title"')];
  for (let power = least; power <= most; power++) {
    const at = y(10 ** power).toFixed(1);
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`);
    parts.push(text(LEFT - 8, y(10 ** power) + 4, label(power), ' text-anchor="end" class="quiet"'));
  }
  for (const [column, name] of columns.entries()) {
    parts.push(text(x(column), HEIGHT - BOTTOM + 22, name, ' text-anchor="middle" class="quiet"'));
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, axis, ' text-anchor="middle" class="quiet"'));
  const color = colors(series.map(({ name }) => name));
  for (const [index, { name, values }] of series.entries()) {
    const points = values.flatMap((value, column) =>
      value === undefined || value <= 0 ? [] : [`${x(column).toFixed(1)},${y(value).toFixed(1)}`],
    );
    const width = name.startsWith("earshot") ? 3 : 1.5;
    const stroke = `stroke="${color.get(name)}" stroke-width="${width}"`;
    parts.push(`<polyline fill="none" ${stroke} points="${points.join(" ")}"/>`);
    for (const point of points) {
      const [cx, cy] = point.split(",");
      parts.push(`<circle cx="${cx}" cy="${cy}" r="${width + 1}" fill="${color.get(name)}"/>`);
    }
    const at = TOP + 8 + index * 24;
    parts.push(`<line x1="${WIDTH - RIGHT + 20}" x2="${WIDTH - RIGHT + 44}" y1="${at}" y2="${at}" ${stroke}/>`);
    parts.push(text(WIDTH - RIGHT + 52, at + 4, name));
  }
  return document(Math.max(HEIGHT, TOP + series.length * 24), title, parts);
}

/** One bar for each series, of its first value, from zero. */
export function barChart({ title, unit, series }: Chart): string {
  const bars = series.flatMap(({ name, values: [value] }) => (value === undefined ? [] : [{ name, value }]));
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const color = colors(bars.map(({ name }) => name));
  const parts = [text(16, 28, `${title}, ${unit}`, ' class="title"')];
  const room = WIDTH - RIGHT - 110;
  for (const [index, { name, value }] of bars.entries()) {
    const at = TOP + index * ROW;
    const width = Math.max(1, (value / most) * room);
    parts.push(text(RIGHT - 8, at + 13, name, ' text-anchor="end"'));
    parts.push(
      `<rect x="${RIGHT}" y="${at}" width="${width.toFixed(1)}" height="${ROW - 8}" rx="2" fill="${color.get(name)}"/>`,
    );
    const digits = value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
    parts.push(text(RIGHT + width + 8, at + 13, digits));
  }
  return document(TOP + bars.length * ROW + 16, title, parts);
}
