// What the lasso holds: counted, written to a file, kept under a name.

import { byId, download, el, fill, say, whole } from "./dom.js";

export class Selection {
  constructor(atlas) {
    this.atlas = atlas;
    byId("to-fasta").addEventListener("click", () => this.write("fasta"));
    byId("to-csv").addEventListener("click", () => this.write("csv"));
    byId("select-none").addEventListener("click", () => this.atlas.select(new Uint32Array(0)));
    byId("list-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep(byId("list-name").value.trim());
    });
  }

  get key() {
    return `ribospace-lists:${this.atlas.space.name}`;
  }

  get lists() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "{}");
    } catch {
      return {};
    }
  }

  draw() {
    const rows = this.atlas.selected;
    byId("selection-count").textContent = rows.length ? `${whole(rows.length)} molecules selected` : "Nothing is selected. Take the lasso or the box above the map and draw around molecules.";
    byId("selection-part").hidden = !rows.length;
    const counts = new Map();
    for (const row of rows) {
      const label = this.atlas.legend.colourOf(row);
      if (label) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const most = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 8);
    fill(byId("selection-of"), most.map(([label, count]) => el("li", {}, `${label}: ${whole(count)}`)));
    this.drawLists();
  }

  drawLists() {
    const lists = this.lists;
    const items = Object.entries(lists).map(([name, ids]) => el("li", { className: "row" },
      el("button", { type: "button", onclick: () => this.load(name) }, `${name} (${whole(ids.length)})`),
      el("button", { type: "button", "aria-label": `Delete the list ${name}`, onclick: () => { delete lists[name]; this.store(lists); } }, "×")));
    fill(byId("lists"), items.length ? items : el("li", { className: "note" }, "no list yet"));
  }

  store(lists) {
    localStorage.setItem(this.key, JSON.stringify(lists));
    this.drawLists();
  }

  async write(format) {
    await this.atlas.doing("Writing", async () => {
      download(`molecules.${format}`, [await this.atlas.source.file(this.atlas.selected, format)], "application/octet-stream");
      say(`Wrote ${whole(this.atlas.selected.length)} molecules`);
    });
  }

  // Rows as ids, by pieces that one request takes.
  async keep(name) {
    if (!name) return say("Give the list a name.", true);
    return this.atlas.doing("Keeping", async () => {
      const ids = [...(this.lists[name] ?? [])];
      for (let from = 0; from < this.atlas.selected.length; from += 1000) {
        const rows = Array.from(this.atlas.selected.subarray(from, from + 1000)).join(",");
        ids.push(...(await this.atlas.source.molecules({ rows })).molecules.map((one) => one.id));
      }
      this.store({ ...this.lists, [name]: [...new Set(ids)] });
      say(`The list ${name} has ${whole(new Set(ids).size)} molecules`);
    });
  }

  async load(name) {
    await this.atlas.doing("Looking", async () => {
      this.atlas.select(Uint32Array.from(await this.atlas.source.rowsOf(this.lists[name])));
    });
  }
}
