// Colours on the left: which column, what its colours mean, and what is shown of it.

import { categoryColours, numberColours } from "./colours.js";
import { byId, el, fill, whole } from "./dom.js";

const MOST_LISTED = 200;

export class Legend {
  constructor(atlas) {
    this.atlas = atlas;
    byId("legend-find").addEventListener("input", () => this.draw());
    byId("legend-all").addEventListener("click", () => this.hide([], null));
  }

  async show() {
    const { source, space, state, map } = this.atlas;
    this.column = space.columns.find((one) => one.name === state.c) ?? space.columns[0];
    if (!this.column) return fill(byId("legend"), "This collection has no column to colour by.");
    this.values = await source.column(this.column.name);
    const dark = this.atlas.isDark();
    if (this.column.kind === "category") {
      const { rgba, legend } = categoryColours(this.values, this.column.labels, dark);
      this.entries = legend;
      map.setColours(rgba);
    } else {
      const { rgba, ...bar } = numberColours(this.values, dark);
      this.bar = bar;
      map.setColours(rgba);
    }
    this.draw();
    this.filter();
    return null;
  }

  get isCategory() {
    return this.column?.kind === "category";
  }

  draw() {
    const find = byId("legend-find");
    find.hidden = !this.isCategory || this.entries.length <= 15;
    byId("legend-all").hidden = !this.isCategory;
    if (this.isCategory) this.drawLabels(find.hidden ? "" : find.value.toLowerCase());
    else this.drawBar();
  }

  drawLabels(wanted) {
    const off = new Set(this.atlas.state.off);
    const fitting = this.entries.filter((one) => one.label.toLowerCase().includes(wanted));
    const rows = fitting.slice(0, MOST_LISTED).map((one) => {
      const dot = el("span", { className: "dot", "aria-hidden": "true" });
      dot.style.background = one.colour;
      const toggle = el("button", {
        type: "button", className: "entry", "aria-pressed": String(!off.has(one.code)), title: "Show or hide",
        onclick: () => this.hide(off.has(one.code) ? [...off].filter((code) => code !== one.code) : [...off, one.code], null),
      }, dot, el("span", { className: "label" }, one.label), el("span", { className: "count" }, whole(one.count)));
      const only = el("button", {
        type: "button", className: "only", "aria-label": `Only ${one.label}`,
        onclick: () => this.hide(this.entries.map((other) => other.code).filter((code) => code !== one.code), null),
      }, "only");
      return el("li", {}, toggle, only);
    });
    const more = fitting.length - rows.length;
    fill(byId("legend"), el("ul", {}, rows), more > 0 ? el("p", { className: "note" }, `and ${whole(more)} more: type to find them`) : null,
      fitting.length ? null : el("p", { className: "note" }, "No such label."));
  }

  drawBar() {
    const { low, high, unit, name } = this.column;
    const range = this.atlas.state.range ?? [low, high];
    const bar = el("div", { className: "bar", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${this.bar.stops.join(", ")})`;
    const field = (at, label) => el("label", {}, `${label} `, el("input", {
      type: "number", step: "any", value: Number(range[at].toPrecision(6)), "aria-label": `${label} ${name}`,
      onchange: (event) => {
        const next = [...range];
        next[at] = event.target.value === "" ? [low, high][at] : Number(event.target.value);
        this.hide([], next);
      },
    }));
    fill(byId("legend"), bar, el("div", { className: "ends" }, el("span", {}, `≤ ${Number(this.bar.low.toPrecision(4))}`), el("span", {}, unit ?? ""), el("span", {}, `≥ ${Number(this.bar.high.toPrecision(4))}`)),
      el("div", { className: "range" }, field(0, "from"), field(1, "to")));
  }

  hide(off, range) {
    this.atlas.state.off = off;
    this.atlas.state.range = range;
    this.draw();
    this.filter();
    this.atlas.keep();
  }

  // Which molecules the map shows.
  filter() {
    const { state, map, space } = this.atlas;
    const off = new Set(state.off);
    let visible = null;
    if (this.isCategory && off.size) visible = Uint8Array.from(this.values, (code) => (off.has(code) ? 0 : 1));
    if (!this.isCategory && state.range) visible = Uint8Array.from(this.values, (value) => (value >= state.range[0] && value <= state.range[1] ? 1 : 0));
    map.setVisible(visible);
    const shown = visible ? visible.reduce((sum, one) => sum + one, 0) : space.molecules;
    byId("shown").textContent = shown === space.molecules ? `${whole(shown)} molecules` : `${whole(shown)} of ${whole(space.molecules)} molecules shown`;
  }

  colourOf(row) {
    return this.isCategory && this.values[row] ? this.column.labels[this.values[row] - 1] : null;
  }
}
