// Molecules that did not exist, placed on the map.

import { byId, download, el, fill, whole } from "./dom.js";
import { nearSaid } from "./search.js";

export class Generate {
  constructor(atlas) {
    this.atlas = atlas;
    byId("generate-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
  }

  start() {
    const { generator } = this.atlas.space;
    if (!generator) return;
    fill(byId("g-type"), el("option", { value: "" }, "any"), generator.types.map((one) => el("option", { value: one }, one)));
    fill(byId("g-reward"), el("option", { value: "" }, "none"), generator.rewards.map((one) => el("option", { value: one.name, title: one.text }, one.name)));
    for (const id of ["g-shortest", "g-longest"]) byId(id).max = generator.longest;
    byId("g-count").max = generator.most;
  }

  async run() {
    const number = (id) => (byId(id).value === "" ? undefined : Number(byId(id).value));
    const reward = byId("g-reward").value;
    const target = byId("g-target").value.trim();
    const body = {
      type: byId("g-type").value || undefined, shortest: number("g-shortest"), longest: number("g-longest"),
      reward: reward ? reward + (target ? `=${target}` : "") : undefined, strength: reward ? number("g-strength") : undefined,
      count: number("g-count"), seed: number("g-seed"),
    };
    const result = await this.atlas.work("generate-progress", "/api/generate", body);
    if (!result) return;
    const placed = result.molecules.filter((one) => one.place);
    this.atlas.mark("generated", placed.map((one) => ({ place: one.place, colour: this.atlas.accent(), shape: "new" })));
    const items = result.molecules.map((one) => {
      const said = [`${whole(one.length)} nt`, one.mfe === null || one.mfe === undefined ? null : `${one.mfe.toFixed(1)} kcal/mol`,
        one.nearest ? `nearest ${one.nearest.id}: ${nearSaid(one.nearest)}` : null];
      return el("li", {}, el("button", { type: "button", className: "near", onclick: () => one.place && this.atlas.map.focus(one.place) },
        el("span", { className: "id" }, one.id), el("span", { className: "more" }, said.filter(Boolean).join(", ")), el("span", { className: "sequence" }, one.sequence)));
    });
    fill(byId("generated"), el("div", { className: "row" }, el("h3", {}, `${whole(items.length)} molecules, none of them natural`),
      el("button", { type: "button", onclick: () => download("generated.fasta", result.molecules.map((one) => `>${one.id} generated\n${one.sequence}\n`), "text/x-fasta") }, "FASTA")), el("ol", {}, items));
  }
}
