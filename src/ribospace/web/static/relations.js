// Additive relations (the best equations of a molecule, what a − b + c is nearest to), and two molecules by head.

import { alignmentOf, byId, chance, el, fill, whole } from "./dom.js";

const P_SAID = "How often chance alone gives one at least as good; q is corrected for all that were looked at.";

export class Relations {
  constructor(atlas) {
    this.atlas = atlas;
    this.terms = { a: null, b: null, c: null };
    this.waitsFor = null;
    byId("equations").addEventListener("click", () => this.run(false));
    byId("sum").addEventListener("click", () => this.run(true));
    byId("by-head").addEventListener("click", () => this.compare());
    this.draw();
  }

  take(name, molecule) {
    this.terms[name] = molecule;
    this.waitsFor = null;
    this.atlas.openTab("relations");
    this.draw();
  }

  draw() {
    const rows = Object.entries(this.terms).map(([name, one]) => el("li", {},
      el("b", {}, name), el("span", { className: "id" }, one ? one.id : "none yet"),
      el("button", { type: "button", "aria-pressed": String(this.waitsFor === name), onclick: () => { this.waitsFor = this.waitsFor === name ? null : name; this.draw(); } },
        this.waitsFor === name ? "click a molecule …" : "choose on the map"),
      one ? el("button", { type: "button", "aria-label": `Clear ${name}`, onclick: () => { this.terms[name] = null; this.draw(); } }, "×") : null));
    fill(byId("terms"), rows);
    const { a, b, c } = this.terms;
    byId("equations").disabled = !a;
    byId("sum").disabled = !(a && b && c);
    byId("by-head").hidden = !this.atlas.space?.can.heads;
    byId("by-head").disabled = !(a && b);
  }

  // Whether a click on the map was meant for a term.
  clicked(molecule) {
    if (!this.waitsFor) return false;
    this.take(this.waitsFor, molecule);
    return true;
  }

  async run(isSum) {
    const { a, b, c } = this.terms;
    const body = isSum ? { plus: [a.row, c.row], minus: [b.row] } : { a: a.row };
    body.embedding = this.atlas.embedding();
    const result = await this.atlas.work("relations-progress", "/api/relations", body);
    if (!result) return;
    this.result = result;
    this.atlas.search.close();
    if (result.kind === "sum") this.drawSum(result);
    else this.drawEquations(result);
  }

  // Two molecules, attention head by attention head.
  async compare() {
    const { a, b } = this.terms;
    const result = await this.atlas.work("relations-progress", "/api/heads", { a: a.row, b: b.row, embedding: this.atlas.embedding() });
    if (!result) return;
    this.atlas.search.close();
    const number = [...Array(result.heads).keys()];
    const rows = [...Array(result.layers).keys()].map((layer) => el("tr", {}, el("th", { scope: "row" }, String(layer + 1)),
      number.map((head) => {
        const at = layer * result.heads + head;
        const [value, p] = [result.similarity[at], result.p[at]];
        const cell = el("td", { title: `layer ${layer + 1}, head ${head + 1}: cosine ${value.toFixed(3)}, p ${chance(p)}` }, value.toFixed(2), p <= 0.05 ? " ▲" : p >= 0.95 ? " ▼" : "");
        cell.style.backgroundColor = `color-mix(in srgb, var(${value < 0 ? "--unlike" : "--alike"}) ${Math.round(70 * Math.abs(value))}%, transparent)`;
        return cell;
      })));
    const alike = result.p.filter((p) => p <= 0.05).length;
    fill(byId("answers"), el("h3", {}, `${result.a.id} beside ${result.b.id}`),
      el("p", { className: "note" }, `Cosine of what each attention head of ${result.embedding} says of the two. ▲ among the 5 % most alike of random pairs of ${whole(result.molecules)} molecules, ▼ among the least: ${alike} of ${result.p.length} heads ▲, by chance ${(0.05 * result.p.length).toFixed(1)}.`),
      el("div", { className: "heads", tabindex: "0", role: "region", "aria-label": "Similarity by head" },
        el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "layer"), number.map((head) => el("th", { scope: "col" }, `head ${head + 1}`)))), el("tbody", {}, rows))));
    const at = (row) => this.atlas.map.placeOf(row);
    this.atlas.mark("relation", [["a", a.row], ["b", b.row]].map(([label, row]) => ({ place: at(row), label, colour: this.atlas.accent() })));
    this.atlas.map.show([a, b].map((one) => at(one.row)));
    this.atlas.map.setArrows([]);
  }

  drawEquations(result) {
    const items = result.equations.map((one, at) => el("li", {},
      el("button", { type: "button", className: "near", onclick: () => this.arrows(one) },
        el("span", { className: "id" }, one.text), el("span", { className: "more", title: P_SAID }, `${one.angle.toFixed(1)}°, p ${chance(one.p)}, q ${chance(one.q)}`),
        el("span", { className: "text" }, [one.b.description, one.c.description].filter(Boolean).join(" · "))),
      one.alignment ? alignmentOf(one.alignment, [result.a.id, one.b.id, one.c.id]) : null));
    fill(byId("answers"), el("h3", {}, `Best equations of ${result.a.id}`),
      el("p", { className: "note" }, `${result.base_said ?? ""} Chance: ${result.permutations} draws of the null model.`),
      items.length ? el("ol", {}, items) : el("p", {}, "No equation was found. Choose another molecule."));
    if (result.equations.length) this.arrows(result.equations[0]);
  }

  drawSum(result) {
    const items = result.answers.map((one) => el("li", {}, this.atlas.search.entry(one, `${one.angle.toFixed(1)}°, p ${chance(one.p)}, ${one.rna_type ?? "no type"}, ${whole(one.length)} nt`)));
    fill(byId("answers"), el("h3", {}, result.expression), el("p", { className: "note" }, result.p_said ?? ""), el("ol", {}, items),
      result.alignment ? alignmentOf(result.alignment, result.alignment.ids ?? []) : null);
    const { a, b, c } = this.terms;
    const [answer] = result.answers;
    const at = (row) => this.atlas.map.placeOf(row);
    const marks = [["a", a.row], ["b", b.row], ["c", c.row], ...(answer ? [["answer", answer.row]] : [])];
    this.atlas.mark("relation", marks.map(([label, row]) => ({ place: at(row), label, colour: this.atlas.accent() })));
    this.atlas.map.show(marks.map(([, row]) => at(row)));
    this.atlas.map.setArrows([
      { from: at(b.row), to: at(a.row), colour: this.atlas.accent() },
      ...(answer ? [{ from: at(c.row), to: at(answer.row), colour: this.atlas.accent(), dashed: true }] : []),
    ]);
  }

  arrows(one) {
    const at = (row) => this.atlas.map.placeOf(row);
    const { a } = this.result;
    this.atlas.mark("relation", [["a", a.row], ["b", one.b.row], ["c", one.c.row]].map(([label, row]) => ({ place: at(row), label, colour: this.atlas.accent() })));
    this.atlas.map.show([a, one.b, one.c].map((term) => at(term.row)));
    this.atlas.map.setArrows([[one.b, one.sign_b], [one.c, one.sign_c]].map(([term, sign]) => (
      { from: at(term.row), to: at(a.row), colour: this.atlas.accent(), dashed: sign < 0 })));
  }
}
