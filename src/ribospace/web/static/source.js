// Where the data come from: a server's API, or blocks in the page itself.

import { byId } from "./dom.js";

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const NONE = 0xffffffff;
const MOST_IDS = 200; // of one request

export function openSource() {
  return byId("data-space") ? new FileSource() : new ServerSource();
}

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export class ServerSource {
  async ask(path, options = {}) {
    const token = sessionStorage.getItem("ribospace-token");
    const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch {
      throw new Refused(0, "The server does not answer. Start ribospace serve again, then try once more.");
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, said.error ?? `The server answered with ${answer.status}.`);
  }

  async json(path, body, method = body ? "POST" : "GET") {
    const sent = body ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } } : {};
    const answer = await this.ask(path, { method, ...sent });
    return answer.status === 204 ? null : answer.json();
  }

  async array(path, dtype) {
    return new ARRAYS[dtype](await (await this.ask(path)).arrayBuffer());
  }

  async space() {
    this.said = await this.json("/api/space");
    return this.said;
  }

  points(name) {
    return this.array(`/api/points/${encodeURIComponent(name)}`, "float32");
  }

  column(name) {
    const { dtype } = this.said.columns.find((one) => one.name === name);
    return this.array(`/api/columns/${encodeURIComponent(name)}`, dtype);
  }

  async molecules(asked) {
    return this.json(`/api/molecules?${new URLSearchParams(asked)}`);
  }

  // Rows of those ids that are there.
  async rowsOf(ids) {
    const rows = [];
    for (let from = 0; from < ids.length; from += MOST_IDS) {
      const asked = new URLSearchParams(ids.slice(from, from + MOST_IDS).map((id) => ["id", id]));
      rows.push(...(await this.json(`/api/molecules?${asked}`)).molecules.map((one) => one.row));
    }
    return rows;
  }

  async neighbours(row, embedding) {
    return (await this.json("/api/neighbours", { row, embedding })).neighbours;
  }

  search(query, projection, embedding) {
    return this.json("/api/search", { query, projection, embedding });
  }

  fold(row) {
    return this.json("/api/fold", { row });
  }

  composition(asked) {
    return this.json("/api/composition", asked);
  }

  trajectory(name, projection) {
    return this.json(`/api/trajectories/${encodeURIComponent(name)}?${new URLSearchParams({ projection })}`);
  }

  // Heavy work: told how far it is, it may be called off by `signal`; gives the result.
  async work(path, body, told, signal) {
    const { job } = await this.json(path, body);
    for (;;) {
      if (signal.aborted) {
        await this.json(`/api/jobs/${job}`, null, "DELETE").catch(() => null);
        throw new Refused(0, "Called off.");
      }
      const state = await this.json(`/api/jobs/${job}`);
      if (state.state === "done") return state.result;
      if (state.state === "failed" || state.state === "cancelled") throw new Refused(0, state.error ?? "Called off.");
      told(state);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  async file(rows, format) {
    return (await this.ask(`/api/export?format=${format}`, {
      method: "POST", body: Uint32Array.from(rows), headers: { "content-type": "application/octet-stream" },
    })).blob();
  }
}

export class FileSource {
  constructor() {
    this.kept = new Map();
  }

  async unpack(id) {
    const packed = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }

  array(id, dtype) {
    if (!this.kept.has(id)) this.kept.set(id, this.unpack(id).then((found) => new ARRAYS[dtype](found)));
    return this.kept.get(id);
  }

  lines(id) {
    if (!this.kept.has(id)) this.kept.set(id, this.unpack(id).then((found) => new TextDecoder().decode(found).split("\n")));
    return this.kept.get(id);
  }

  async space() {
    this.said = JSON.parse(byId("data-space").textContent);
    return this.said;
  }

  points(name) {
    return this.array(`data-points-${this.said.projections.findIndex((one) => one.name === name)}`, "float32");
  }

  column(name) {
    const at = this.said.columns.findIndex((one) => one.name === name);
    return this.array(`data-column-${at}`, this.said.columns[at].dtype);
  }

  async molecule(row, whole) {
    const [ids, descriptions] = [await this.lines("data-ids"), await this.lines("data-descriptions")];
    const sequence = (await this.lines("data-sequences"))[row];
    const values = {};
    for (const column of this.said.columns) {
      const value = (await this.column(column.name))[row];
      if (column.kind === "category") values[column.name] = value ? column.labels[value - 1] : null;
      else values[column.name] = Number.isFinite(value) ? value : null;
    }
    for (const [at, name] of (this.said.texts ?? []).entries()) values[name] = (await this.lines(`data-text-${at}`))[row] || null;
    if (this.said.structures) values.structure = (await this.lines("data-structures"))[row] || null;
    const { rna_type = null, species = null, taxid = null, length, ...fields } = values;
    const urs = /^(URS[0-9A-F]{10})(?:_(\d+))?$/.exec(ids[row]);
    const url = urs ? `https://rnacentral.org/rna/${urs[1]}${urs[2] ? `/${urs[2]}` : ""}` : null;
    const known = { row, id: ids[row], rna_type, length: sequence.length, description: descriptions[row] || null, species, taxid, url, fields };
    return whole ? { ...known, sequence } : known;
  }

  async molecules({ rows, text, limit = 20 }) {
    let found = rows?.split(",").map(Number);
    if (!found) {
      const wanted = text.toLowerCase();
      const [ids, descriptions] = [await this.lines("data-ids"), await this.lines("data-descriptions")];
      const exact = ids.indexOf(text);
      found = exact >= 0 ? [exact] : [];
      ids.forEach((id, row) => {
        if (row !== exact && (id.toLowerCase().includes(wanted) || descriptions[row].toLowerCase().includes(wanted))) found.push(row);
      });
    }
    const some = rows ? found : found.slice(0, limit);
    return { total: found.length, molecules: await Promise.all(some.map((row) => this.molecule(row, Boolean(rows)))) };
  }

  async rowsOf(ids) {
    const row = new Map((await this.lines("data-ids")).map((id, at) => [id, at]));
    return ids.map((id) => row.get(id)).filter((at) => at !== undefined);
  }

  async neighbours(row) {
    const { k } = this.said.neighbours;
    const near = await this.array("data-neighbours", "uint32");
    const distances = await this.array("data-distances", "float32");
    const found = [];
    for (let at = row * k; at < (row + 1) * k; at++) {
      if (near[at] !== NONE) found.push({ ...(await this.molecule(near[at])), distance: distances[at], identity: null });
    }
    return found;
  }

  async file(rows, format) {
    const quoted = (value) => (/[",\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
    const lines = [];
    for (const row of rows) {
      const one = await this.molecule(row, true);
      if (format === "fasta") lines.push(`>${[one.id, one.rna_type, one.description].filter(Boolean).join(" ")}\n${one.sequence}\n`);
      else {
        const flat = { id: one.id, sequence: one.sequence, length: one.length, rna_type: one.rna_type, description: one.description, species: one.species, taxid: one.taxid, ...one.fields };
        if (!lines.length) lines.push(`${Object.keys(flat).join(",")}\n`);
        lines.push(`${Object.values(flat).map(quoted).join(",")}\n`);
      }
    }
    return new Blob(lines, { type: format === "fasta" ? "text/x-fasta" : "text/csv" });
  }
}
