// A molecule: what it is, its sequence and structure, what is near.

import { byId, el, fill, say, whole } from "./dom.js";
import { nearSaid } from "./search.js";

export class Card {
  constructor(atlas) {
    this.atlas = atlas;
  }

  async show(row) {
    const { source, space } = this.atlas;
    const { molecules: [one] } = await source.molecules({ rows: String(row) });
    if (this.atlas.chosen !== row) return;
    const facts = [["Type", one.rna_type], ["Species", one.species], ["Taxon", one.taxid], ["Length", `${whole(one.length)} nt`], ...Object.entries(one.fields)];
    const rows = facts.filter(([name, value]) => value !== null && value !== undefined && value !== "" && name !== "structure")
      .flatMap(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value))]);
    fill(byId("card"),
      el("h2", { id: "card-title", tabindex: "-1" }, one.id),
      el("p", { className: "description" }, one.description ?? "no description"),
      one.url ? el("p", {}, el("a", { href: one.url, target: "_blank", rel: "noopener noreferrer" }, "Open in RNAcentral")) : null,
      el("dl", {}, rows),
      this.sequence(one.sequence),
      el("div", { id: "structure" }),
      space.can.relations ? this.uses(row, one.id) : null,
      el("h3", {}, "Nearest"), el("div", { id: "near", className: "loading" }, "Looking …"));
    this.atlas.state.m = one.id; // the link has it before a slow structure comes
    this.atlas.keep();
    await Promise.all([this.structure(row, one), this.neighbours(row)]);
  }

  sequence(letters) {
    const groups = letters.match(/.{1,10}/g) ?? [];
    const copy = el("button", { type: "button", onclick: async () => {
      try {
        await navigator.clipboard.writeText(letters);
        say("Sequence copied");
      } catch {
        say("The browser does not let this page copy; select the letters instead.", true);
      }
    } }, "Copy");
    return el("section", {}, el("div", { className: "row" }, el("h3", {}, "Sequence"), copy),
      el("p", { className: "sequence", tabindex: "0", role: "region", "aria-label": "Sequence" }, groups.join(" ")));
  }

  async structure(row, one) {
    const here = byId("structure");
    if (!this.atlas.space.can.fold) {
      if (one.fields.structure) fill(here, el("h3", {}, "Structure"), el("p", { className: "sequence" }, one.fields.structure));
      return;
    }
    try {
      const { mfe, svg } = await this.atlas.source.fold(row);
      const data = btoa(String.fromCharCode(...new TextEncoder().encode(svg)));
      fill(here, el("h3", {}, `Structure, ${mfe.toFixed(1)} kcal/mol`),
        el("img", { src: `data:image/svg+xml;base64,${data}`, alt: `Secondary structure of minimum free energy of ${one.id}, ${mfe.toFixed(1)} kcal/mol` }),
        el("p", { className: "note" }, "Minimum free energy, ViennaRNA, 37 °C"));
    } catch (error) {
      fill(here, el("p", { className: "note" }, error.message));
    }
  }

  async neighbours(row) {
    try {
      const near = await this.atlas.source.neighbours(row, this.atlas.embedding());
      if (this.atlas.chosen !== row) return;
      const items = near.map((one) => el("li", {}, this.atlas.search.entry(one, nearSaid(one))));
      byId("near").className = "";
      fill(byId("near"), items.length ? el("ol", {}, items) : el("p", {}, "It has no vector of this embedding."));
    } catch (error) {
      fill(byId("near"), el("p", { className: "note" }, error.message));
    }
  }

  uses(row, id) {
    const use = (name) => el("button", { type: "button", onclick: () => this.atlas.relations.take(name, { row, id }) }, name);
    return el("p", { className: "row" }, el("span", {}, "Use in a relation as"), use("a"), use("b"), use("c"));
  }
}
