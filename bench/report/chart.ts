import { type Chart, OURS, type Row } from "../harness/suite.ts";
import { formatNumber } from "./tables.ts";

// Bar charts as SVG, readable on a light and on a dark page.

const WIDTH = 800;
const LABELS = 320;
const VALUES = 70;
const BAR = 18;
const LINE = 28;
const TOP = 34;

const OUR_COLOR = "#2f81f7";
const PEER_COLOR = "#8b949e";
const PART_COLORS = ["#2f81f7", "#3fb950", "#d29922", "#db61a2", "#a371f7", "#8b949e"];

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .end { text-anchor: end; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
</style>`;

interface Bar {
  side: string;
  value: number;
  parts: number[];
}

/** @returns the SVG, or undefined if the figure was not measured */
export function drawChart(chart: Chart, rows: readonly Row[]): string | undefined {
  const own = rows.filter(({ subject }) => subject === chart.subject);
  const valueOf = (side: string, figure: string) =>
    own.find((row) => row.side === side && row.figure === figure)?.value ?? 0;
  const bars = own
    .filter(({ figure }) => figure === chart.figure)
    .map(({ side, value }): Bar => ({
      side,
      value,
      parts: (chart.parts ?? []).map((part) => valueOf(side, part)),
    }));
  if (bars.length === 0) return undefined;
  const parts = (chart.parts ?? []).filter((_, at) => bars.some((bar) => (bar.parts[at] ?? 0) > 0));
  const unit = own.find(({ figure }) => figure === chart.figure)?.unit ?? "";
  const title = `${chart.subject}: ${chart.figure}, ${unit}`;
  const legendHeight = parts.length > 0 ? LINE : 0;
  const height = TOP + bars.length * LINE + legendHeight + 6;
  const scale = (WIDTH - LABELS - VALUES) / Math.max(...bars.map(({ value }) => value));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
${STYLE}
<text class="title" x="0" y="16">${escape(title)}</text>
${bars.map((bar, at) => drawBar(bar, TOP + at * LINE, scale, chart.parts ?? [])).join("\n")}
${drawLegend(parts, chart.parts ?? [], TOP + bars.length * LINE + BAR)}
</svg>
`;
}

function drawBar({ side, value, parts }: Bar, y: number, scale: number, names: readonly string[]) {
  const label = `<text class="end" x="${LABELS - 8}" y="${y + 13}">${escape(side)}</text>`;
  const color = side === OURS ? OUR_COLOR : PEER_COLOR;
  const pieces = names.length > 0 ? parts : [value];
  let x = LABELS;
  const rectangles = pieces.map((piece, at) => {
    const width = piece * scale;
    const fill = names.length > 0 ? PART_COLORS[at % PART_COLORS.length] : color;
    const rectangle = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${fill}"/>`;
    x += width;
    return piece > 0 ? rectangle : "";
  });
  // the parts are medians of their own, whose sum is not quite the median of the sum
  const end = Math.max(x, LABELS + value * scale) + 6;
  return `${label}${rectangles.join("")}<text x="${end.toFixed(1)}" y="${y + 13}">${formatNumber(value)}</text>`;
}

function drawLegend(shown: readonly string[], all: readonly string[], y: number): string {
  let x = LABELS;
  return shown
    .map((name) => {
      const text = name.replace(/^CPU /, "");
      const fill = PART_COLORS[all.indexOf(name) % PART_COLORS.length];
      const entry = `<rect x="${x}" y="${y - 10}" width="10" height="10" fill="${fill}"/><text x="${x + 14}" y="${y}">${escape(text)}</text>`;
      x += 26 + text.length * 7;
      return entry;
    })
    .join("");
}
