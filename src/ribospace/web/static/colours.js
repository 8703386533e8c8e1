// Colours that are told apart with every common colour blindness, on light and on dark.

// Okabe and Ito's (jfly.uni-koeln.de/color), then Paul Tol's muted ones; the second of a pair is for dark ground.
const CATEGORIES = [
  ["#0072b2", "#3d9be0"], ["#e69f00", "#e69f00"], ["#009e73", "#1fbf92"], ["#cc79a7", "#d98fb9"], ["#56b4e9", "#86cdf5"],
  ["#d55e00", "#f07a2c"], ["#332288", "#8c7ff0"], ["#b5a800", "#d6cb3a"], ["#882255", "#c9598f"], ["#44aa99", "#6fd0c0"],
  ["#117733", "#4fae6c"], ["#cc6677", "#e58b99"], ["#999933", "#bcbc5c"], ["#aa4499", "#d073c2"],
];
const OTHER = ["#8a9099", "#7b828c"];
const MISSING = ["#aab2bc", "#59626d"];
// Cividis (Nuñez, Anderton and Renslow 2018) at nine places.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"];

export const MOST_COLOURS = CATEGORIES.length;

const bytes = (hex) => [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16));

// Colours of n codes (0: missing, i + 1: labels[i]) and the legend, in the order of the labels (the commonest first); labels beyond the palette are grey.
export function categoryColours(codes, labels, dark) {
  const counts = new Array(labels.length + 1).fill(0);
  for (const code of codes) counts[code]++;
  const order = labels.map((_, at) => at + 1).filter((code) => counts[code]);
  const colours = new Array(labels.length + 1).fill(OTHER[+dark]);
  colours[0] = MISSING[+dark];
  order.slice(0, MOST_COLOURS).forEach((code, at) => { colours[code] = CATEGORIES[at][+dark]; });
  const palette = colours.map(bytes);
  const rgba = new Uint8Array(4 * codes.length);
  for (let row = 0; row < codes.length; row++) {
    const [red, green, blue] = palette[codes[row]];
    rgba[4 * row] = red;
    rgba[4 * row + 1] = green;
    rgba[4 * row + 2] = blue;
    rgba[4 * row + 3] = codes[row] ? 235 : 150;
  }
  const legend = order.map((code) => ({ code, label: labels[code - 1], count: counts[code], colour: colours[code] }));
  if (counts[0]) legend.push({ code: 0, label: "not known", count: counts[0], colour: colours[0] });
  return { rgba, legend };
}

// Colours of numbers and the stops of a colour bar; a fiftieth at either end shares the last colour, so that a few
// outliers do not take all of them.
export function numberColours(values, dark) {
  const sorted = values.filter(Number.isFinite).sort();
  const [low, high] = [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0);
  const stops = CIVIDIS.map(bytes).map((one) => one.map((part) => (dark ? Math.round(55 + part * 0.785) : part)));
  const missing = bytes(MISSING[+dark]);
  const rgba = new Uint8Array(4 * values.length);
  const span = Math.max(high - low, 1e-12);
  values.forEach((value, row) => {
    if (!Number.isFinite(value)) return rgba.set([...missing, 150], 4 * row);
    const at = Math.max(0, Math.min(1, (value - low) / span)) * (stops.length - 1);
    const before = Math.min(stops.length - 2, Math.floor(at));
    for (let part = 0; part < 3; part++) {
      rgba[4 * row + part] = stops[before][part] + (at - before) * (stops[before + 1][part] - stops[before][part]);
    }
    rgba[4 * row + 3] = 235;
  });
  return { rgba, low, high, stops: stops.map((one) => `rgb(${one.join(" ")})`) };
}
