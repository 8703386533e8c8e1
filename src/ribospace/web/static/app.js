import { Card } from "./card.js";
import { byId, el, fill, say, whole } from "./dom.js";
import { Generate } from "./generate.js";
import { Legend } from "./legend.js";
import { PointMap } from "./map.js";
import { Relations } from "./relations.js";
import { Search } from "./search.js";
import { Selection } from "./selection.js";
import { openSource } from "./source.js";
import { readState, takeToken, writeState } from "./state.js";
import { Trajectory } from "./trajectory.js";

const TABS = ["molecule", "relations", "trajectory", "generate", "selection"];

// The page: what is chosen, selected and marked, and the parts that show it.
class Atlas {
  constructor() {
    takeToken();
    this.source = openSource();
    this.state = readState(location.hash);
    this.map = new PointMap(byId("points"), byId("overlay"));
    this.selected = new Uint32Array(0);
    this.marks = new Map();
    this.chosen = null;
    this.legend = new Legend(this);
    this.search = new Search(this);
    this.card = new Card(this);
    this.relations = new Relations(this);
    this.trajectory = new Trajectory(this);
    this.generate = new Generate(this);
    this.selection = new Selection(this);
    this.listen();
  }

  async start() {
    await this.doing("Loading", async () => {
      this.space = await this.source.space();
      const { name, projections, columns, start, can } = this.space;
      document.title = `${name} · Ribospace`;
      byId("name").textContent = name;
      fill(byId("projection"), projections.map((one) => el("option", { value: one.name }, `${one.name} (${one.dims}-D)`)));
      fill(byId("colour"), columns.map((one) => el("option", { value: one.name }, one.name.replaceAll("_", " "))));
      if (!projections.some((one) => one.name === this.state.p)) this.state.p = start.projection;
      if (!columns.some((one) => one.name === this.state.c)) this.state.c = start.colour ?? columns[0]?.name ?? "";
      const hidden = { relations: !can.relations, trajectory: !can.composition && !this.space.trajectories.length, generate: !can.generate };
      for (const tab of TABS) byId(`tab-${tab}`).hidden = Boolean(hidden[tab]);
      byId("query").placeholder = can.search ? "Id, description, sequence or FASTA" : "Id or description";
      this.trajectory.start();
      this.relations.draw();
      this.generate.start();
      this.openTab(hidden[this.state.t] || !TABS.includes(this.state.t) ? "molecule" : this.state.t);
      await this.show();
      this.selection.draw();
      document.body.classList.add("ready");
      say("");
    });
  }

  // The map and colours that the state names.
  async show() {
    const { dims } = this.space.projections.find((one) => one.name === this.state.p);
    byId("projection").value = this.state.p;
    byId("colour").value = this.state.c;
    const points = await this.source.points(this.state.p);
    const view = this.state.v;
    this.map.setTheme(this.theme());
    this.map.setPoints(points, dims);
    this.marks.clear();
    this.map.setMarks([]);
    this.map.setArrows([]);
    await this.legend.show();
    if (view) this.map.setView(view);
    this.markSelected();
    if (this.state.m !== null) {
      const [row] = await this.source.rowsOf([this.state.m]);
      if (row !== undefined) this.choose(row, false, true);
    }
  }

  // ------------------------------------------------------------ what is chosen

  async choose(row, isFar = false, keepsTab = false) {
    if (this.relations.waitsFor) {
      const { molecules: [one] } = await this.source.molecules({ rows: String(row) });
      if (this.relations.clicked({ row, id: one.id })) return;
    }
    this.chosen = row;
    const place = this.map.placeOf(row);
    if (Number.isFinite(place[0])) {
      this.mark("chosen", [{ place, label: "" }]);
      const [x, y] = this.map.project(place);
      const { width, height } = this.map.camera;
      if (isFar && (x < 0 || y < 0 || x > width || y > height)) this.map.focus(place);
    }
    if (!keepsTab && (isFar || this.state.t !== "selection")) this.openTab("molecule");
    await this.doing("Reading", () => this.card.show(row));
  }

  select(rows) {
    this.selected = rows;
    this.markSelected();
    this.selection.draw();
    if (rows.length) {
      this.openTab("selection");
      say(`${whole(rows.length)} molecules selected`);
    }
  }

  markSelected() {
    const chosen = this.selected.length ? new Uint8Array(this.space.molecules) : null;
    for (const row of this.selected) chosen[row] = 1;
    this.map.setSelected(chosen);
  }

  mark(what, marks) {
    this.marks.set(what, marks);
    this.map.setMarks([...this.marks.values()].flat());
  }

  embedding() {
    return this.space.projections.find((one) => one.name === this.state.p)?.embedding ?? this.space.start.embedding;
  }

  // ------------------------------------------------------------ work

  // Does something that may fail, and says how it went.
  async doing(what, does) {
    byId("busy").textContent = `${what} …`;
    try {
      byId("problem").hidden = true;
      return await does();
    } catch (error) {
      if (error.status === 401) return this.askToken();
      if (error.status === undefined) console.error(error);
      byId("problem-text").textContent = error.message;
      byId("problem").hidden = false;
      return null;
    } finally {
      byId("busy").textContent = "";
    }
  }

  // Heavy work with its progress and a button that calls it off.
  async work(id, path, body) {
    const stop = new AbortController();
    const bar = el("progress", { "aria-label": "Progress" });
    const said = el("span", {}, "waiting");
    fill(byId(id), bar, said, el("button", { type: "button", onclick: () => stop.abort() }, "Stop"));
    const told = (state) => {
      if (state.total) [bar.max, bar.value] = [state.total, state.done];
      said.textContent = state.state === "waiting" ? `${state.place_in_queue} before it` : state.note || "running";
    };
    try {
      return await this.doing("Working", () => this.source.work(path, body, told, stop.signal));
    } finally {
      fill(byId(id));
    }
  }

  askToken() {
    byId("token-dialog").showModal();
    return null;
  }

  // ------------------------------------------------------------ hands

  listen() {
    const { map } = this;
    const change = (id, key) => byId(id).addEventListener("change", (event) => {
      Object.assign(this.state, { [key]: event.target.value }, key === "p" ? { v: null } : { off: [], range: null });
      this.doing("Drawing", () => (key === "p" ? this.show() : this.legend.show()));
      this.keep(true);
    });
    change("projection", "p");
    change("colour", "c");
    map.addEventListener("hover", (event) => this.hover(event.detail));
    map.addEventListener("pick", (event) => this.choose(event.detail.row));
    map.addEventListener("lasso", (event) => this.select(event.detail.rows));
    map.addEventListener("view", () => { this.state.v = map.view; this.keep(); });
    map.addEventListener("unsupported", () => this.doing("Drawing", () => { throw Object.assign(new Error("This browser has no WebGL 2, which the map is drawn with. Take a newer one, or switch on its graphics acceleration."), { status: 0 }); }));
    for (const mode of ["pan", "lasso", "box"]) byId(`mode-${mode}`).addEventListener("click", () => this.setMode(mode));
    byId("fit").addEventListener("click", () => map.fit());
    byId("theme").addEventListener("click", () => this.setTheme(this.isDark() ? "light" : "dark"));
    byId("link").addEventListener("click", async () => {
      location.replace(writeState(this.state));
      await navigator.clipboard.writeText(location.href).then(() => say("Link copied"), () => say("The link stands in the address bar."));
    });
    byId("help").addEventListener("click", () => byId("help-dialog").showModal());
    byId("again").addEventListener("click", () => (this.space ? this.doing("Drawing", () => this.show()) : this.start()));
    byId("token-form").addEventListener("submit", () => {
      sessionStorage.setItem("ribospace-token", byId("token").value.trim());
      this.start();
    });
    byId("side-toggle").addEventListener("click", () => document.body.classList.toggle("side-open"));
    window.addEventListener("hashchange", () => {
      if (location.hash === this.written) return;
      this.state = readState(location.hash);
      this.start();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.setTheme(null));
    byId("tabs").addEventListener("click", (event) => event.target.role === "tab" && this.openTab(event.target.id.slice(4)));
    byId("tabs").addEventListener("keydown", (event) => {
      const shown = TABS.filter((one) => !byId(`tab-${one}`).hidden);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = shown[(shown.indexOf(this.state.t) + step + shown.length) % shown.length];
      this.openTab(next);
      byId(`tab-${next}`).focus();
    });
  }

  openTab(name) {
    this.state.t = name;
    for (const one of TABS) {
      const isOpen = one === name;
      byId(`tab-${one}`).setAttribute("aria-selected", String(isOpen));
      byId(`tab-${one}`).tabIndex = isOpen ? 0 : -1;
      byId(`panel-${one}`).hidden = !isOpen;
    }
    this.keep();
  }

  setMode(mode) {
    this.map.setMode(mode);
    for (const one of ["pan", "lasso", "box"]) byId(`mode-${one}`).setAttribute("aria-pressed", String(one === mode));
  }

  async hover({ row, x, y }) {
    const card = byId("hover");
    this.hovered = row;
    if (row === null) {
      card.hidden = true;
      return;
    }
    this.names ??= new Map();
    if (!this.names.has(row)) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (this.hovered !== row) return;
      if (this.names.size > 5000) this.names.clear();
      try {
        this.names.set(row, (await this.source.molecules({ rows: String(row) })).molecules[0]);
      } catch {
        return;
      }
    }
    const one = this.names.get(row);
    if (this.hovered !== row || !one) return;
    fill(card, el("b", {}, one.id), el("div", {}, `${one.rna_type ?? "no type"}, ${whole(one.length)} nt`), el("div", { className: "text" }, one.description ?? ""));
    card.hidden = false;
    const { width, height } = this.map.camera;
    card.style.left = `${Math.min(x + 14, width - 270)}px`;
    card.style.top = `${Math.min(y + 14, height - 90)}px`;
  }

  // ------------------------------------------------------------ appearance

  isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  setTheme(name) {
    if (name) document.documentElement.dataset.theme = name;
    this.map.setTheme(this.theme());
    if (this.space) this.legend.show();
  }

  theme() {
    return this.isDark() ? { background: "#14181d", ink: "#e8ebef" } : { background: "#ffffff", ink: "#1b1f24" };
  }

  accent() {
    return this.isDark() ? "#ff9d5c" : "#b3420a";
  }

  // The address follows what is seen; a step that is worth going back to is a new entry of the history.
  keep(isStep = false) {
    if (!this.space) return;
    clearTimeout(this.later);
    const write = () => {
      this.written = writeState(this.state);
      if (this.written === location.hash) return;
      if (isStep) history.pushState(null, "", this.written);
      else history.replaceState(null, "", this.written);
    };
    if (isStep) write();
    else this.later = setTimeout(write, 200);
  }
}

const atlas = new Atlas();
atlas.start();
