// Trajectories, clusters, and what a set of molecules is made of.

import { byId, chance, el, fill, whole } from "./dom.js";

const SHOWN = 12;

export class Trajectory {
  constructor(atlas) {
    this.atlas = atlas;
    byId("path").addEventListener("change", (event) => this.show(event.target.value));
    byId("composition-run").addEventListener("click", () => this.ofSelection());
  }

  start() {
    const { trajectories, can } = this.atlas.space;
    const choice = byId("path");
    fill(choice, el("option", { value: "" }, "none"), trajectories.map((one) => el("option", { value: one }, one)));
    byId("path-part").hidden = !trajectories.length;
    byId("no-path").hidden = trajectories.length > 0;
    byId("composition-part").hidden = !can.composition;
  }

  async show(name) {
    if (!name) {
      this.atlas.mark("path", []);
      this.atlas.map.setArrows([]);
      fill(byId("clusters"));
      return null;
    }
    return this.atlas.doing("Reading the trajectory", async () => {
      const found = await this.atlas.source.trajectory(name, this.atlas.state.p);
      const nodes = found.nodes.filter((one) => one.place);
      const place = new Map(nodes.map((one) => [one.cluster, one]));
      this.atlas.mark("path", nodes.map((one) => ({ place: one.place, label: String(one.cluster) + (one.terminal ? " (end)" : ""), colour: this.atlas.accent() })));
      this.atlas.map.setArrows(found.edges.flatMap((edge) => {
        const ends = [place.get(edge.from), place.get(edge.to)];
        if (!ends[0] || !ends[1]) return [];
        if (ends[0].pseudotime > ends[1].pseudotime) ends.reverse();
        return [{ from: ends[0].place, to: ends[1].place, colour: this.atlas.accent() }];
      }));
      const rows = [...found.nodes].sort((one, other) => (one.pseudotime ?? 2) - (other.pseudotime ?? 2)).map((one) => el("tr", {},
        el("th", { scope: "row" }, el("button", { type: "button", onclick: () => this.composition({ column: `${name}_cluster`, value: String(one.cluster) }, `Cluster ${one.cluster}`) }, String(one.cluster))),
        el("td", {}, whole(one.molecules)), el("td", {}, one.pseudotime === null ? "–" : one.pseudotime.toFixed(2)),
        el("td", {}, one.labels.map(([label, count]) => `${label} ${count}`).join(", ") + (one.terminal ? " · an end" : ""))));
      fill(byId("clusters"), found.note ? el("p", { className: "note" }, found.note) : null,
        el("table", {}, el("thead", {}, el("tr", {}, ["cluster", "molecules", "pseudotime", "commonest"].map((one) => el("th", { scope: "col" }, one)))), el("tbody", {}, rows)),
        el("p", { className: "note" }, "Choose a cluster to see what it is made of."));
    });
  }

  ofSelection() {
    const rows = [...this.atlas.selected];
    if (!rows.length) return fill(byId("composition"), el("p", {}, "Nothing is selected. Draw a lasso on the map first."));
    return this.composition({ rows }, `${whole(rows.length)} selected`);
  }

  composition(asked, title) {
    return this.atlas.doing("Counting", async () => {
      const found = await this.atlas.source.composition(asked);
      const values = found.properties.flatMap((one) => one.values.map((value) => ({ property: one.name, ...value })))
        .filter((one) => one.cluster).sort((one, other) => one.q - other.q || one.p - other.p).slice(0, SHOWN);
      const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
      const rows = values.map((one) => {
        const bar = el("span", { className: "share", "aria-hidden": "true" });
        bar.style.width = `${Math.max(1, Math.round(60 * one.share))}px`;
        return el("tr", {}, el("th", { scope: "row" }, `${one.property}: ${one.value}`),
          el("td", { title: `95 % interval ${percent(one.low)} to ${percent(one.high)}` }, bar, ` ${percent(one.share)}`),
          el("td", {}, percent(one.expected)), el("td", {}, chance(one.q)));
      });
      fill(byId("composition"), el("h3", {}, title), el("p", { className: "note" }, `${whole(found.molecules)} molecules against ${whole(found.background)} others; Fisher's exact test, q by Benjamini and Hochberg; molecules are counted one by one, so near copies make q too small.`),
        el("table", {}, el("thead", {}, el("tr", {}, ["value", "share", "background", "q"].map((one) => el("th", { scope: "col" }, one)))), el("tbody", {}, rows)));
    });
  }
}
