// The search box: an id, words of a description, or new sequences, which are placed among their neighbours.

import { byId, el, fill, say, whole } from "./dom.js";

const IS_SEQUENCE = /^[ACGUTRYSWKMBDHVNX\s]{12,}$/i;

export class Search {
  constructor(atlas) {
    this.atlas = atlas;
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run(byId("query").value.trim());
    });
    byId("query").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        byId("search").requestSubmit();
      }
      if (event.key === "Escape") this.close();
    });
    byId("found-close").addEventListener("click", () => this.close());
  }

  close() {
    byId("found").hidden = true;
    this.atlas.mark("query", []);
  }

  async run(query) {
    if (!query) return this.close();
    const isNew = query.startsWith(">") || IS_SEQUENCE.test(query);
    if (isNew && !this.atlas.space.can.search) {
      return this.show([el("p", {}, "A new sequence needs a server: ribospace serve. Here ids and descriptions can be searched.")], "Not here");
    }
    return this.atlas.doing("Searching", () => (isNew ? this.sequences(query) : this.words(query)));
  }

  async words(text) {
    const { total, molecules } = await this.atlas.source.molecules({ text, limit: 50 });
    if (!total) return this.show([el("p", {}, "Nothing has this in its id or description. Try a part of a word, or paste a sequence.")], "Nothing found");
    const items = molecules.map((one) => el("li", {}, this.entry(one, `${one.rna_type ?? "no type"}, ${whole(one.length)} nt`)));
    this.show([el("ol", {}, items), total > items.length ? el("p", { className: "note" }, `the first ${items.length} of ${whole(total)}`) : null], `${whole(total)} found`);
    if (total === 1) this.atlas.choose(molecules[0].row, true);
    return null;
  }

  async sequences(query) {
    const { queries } = await this.atlas.source.search(query, this.atlas.state.p, this.atlas.embedding());
    const placed = queries.filter((one) => one.place);
    this.atlas.mark("query", placed.map((one) => ({ place: one.place, label: one.id, shape: "new", colour: this.atlas.accent() })));
    if (placed.length) this.atlas.map.focus(placed[0].place);
    const parts = queries.flatMap((one) => [
      el("h3", {}, `${one.id}, ${whole(one.length)} nt`),
      el("ol", {}, one.neighbours.map((near) => el("li", {}, this.entry(near, nearSaid(near))))),
    ]);
    this.show([el("p", { className: "note" }, "Placed among its neighbours: the mean of its five nearest on the map."), ...parts], `${queries.length === 1 ? "A new sequence" : `${queries.length} new sequences`}`);
  }

  entry(one, more) {
    return el("button", { type: "button", className: "near", onclick: () => this.atlas.choose(one.row, true) },
      el("span", { className: "id" }, one.id), el("span", { className: "more" }, more), el("span", { className: "text" }, one.description ?? ""));
  }

  show(parts, title) {
    byId("found-title").textContent = title;
    fill(byId("found-list"), parts);
    byId("found").hidden = false;
    say(title);
  }
}

export function nearSaid(near) {
  const identity = near.identity === null || near.identity === undefined ? "" : `, ${Math.round(100 * near.identity)} % identical`;
  return `${near.rna_type ?? "no type"}, ${whole(near.length)} nt, distance ${near.distance.toFixed(3)}${identity}`;
}
