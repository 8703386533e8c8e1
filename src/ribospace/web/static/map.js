import { Camera } from "./camera.js";
import { Grid, boundsOf, isInside } from "./picking.js";
import { drawOverlay } from "./overlay.js";

const VERTEX = `#version 300 es
in vec3 place; in vec4 colour; in float state;
uniform vec3 centre; uniform vec2 zoom; uniform vec3 right, up, away; uniform float size, dimmed, depth, layer;
out vec4 tint; out float radius;
void main() {
  float chosen = step(1.5, state);
  bool shown = state > 0.5 && (layer < 0.5 || chosen > 0.5);
  vec3 from = place - centre;
  gl_Position = shown ? vec4(dot(from, right) * zoom.x, dot(from, up) * zoom.y, -dot(from, away) * depth, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  radius = size * (1.0 + 0.5 * chosen * dimmed);
  gl_PointSize = radius + 1.0;
  tint = vec4(colour.rgb, colour.a * mix(1.0, 0.18, dimmed * (1.0 - chosen)));
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint; in float radius; out vec4 shown;
void main() {
  float inside = clamp(radius * 0.5 - length(gl_PointCoord - 0.5) * (radius + 1.0) + 0.5, 0.0, 1.0);
  if (inside < 0.02) discard;
  shown = vec4(tint.rgb, tint.a * inside);
}`;
const HIDDEN = 0, PLAIN = 1, CHOSEN = 2;
const REACH = 8; // pixels in which a point is meant

// Points in two or three dimensions, up to a million, that are moved, looked at and chosen.
// Events: hover {row, x, y}, pick {row}, lasso {rows}, view, unsupported.
export class PointMap extends EventTarget {
  constructor(canvas, overlay) {
    super();
    this.canvas = canvas;
    this.overlay = overlay;
    this.camera = new Camera();
    this.points = new Float32Array(0);
    this.count = 0;
    this.visible = this.selected = this.grid = null;
    this.marks = [];
    this.arrows = [];
    this.hovered = null;
    this.lasso = null;
    this.mode = "pan";
    this.theme = { background: "#ffffff", ink: "#1b1f24" };
    this.fresh = true;
    this.gl = canvas.getContext("webgl2", { antialias: false, alpha: false });
    if (!this.gl) {
      queueMicrotask(() => this.tell("unsupported"));
      return;
    }
    this.prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.prepare(); this.upload(); });
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // ------------------------------------------------------------ what is shown

  setPoints(points, dims) {
    this.points = points;
    this.count = points.length / dims;
    this.camera.dims = dims;
    this.camera.turnLeft = this.camera.turnUp = dims === 3 ? 0.5 : 0;
    this.bounds = boundsOf(points, dims);
    this.grid = dims === 2 ? new Grid(points, this.bounds) : null;
    this.visible = this.selected = this.hovered = null;
    this.colours = new Uint8Array(4 * this.count).fill(128);
    this.fit();
    this.upload();
  }

  setColours(colours) {
    this.colours = colours;
    this.fill("colour", colours);
  }

  setVisible(visible) {
    this.visible = visible;
    this.fill("state", this.states());
  }

  setSelected(selected) {
    this.selected = selected;
    this.fill("state", this.states());
  }

  setMarks(marks) {
    this.marks = marks;
    this.redraw();
  }

  setArrows(arrows) {
    this.arrows = arrows;
    this.redraw();
  }

  setMode(mode) {
    this.mode = mode;
    this.canvas.style.cursor = mode === "pan" ? "grab" : "crosshair";
  }

  setTheme(theme) {
    this.theme = theme;
    this.redraw();
  }

  fit() {
    this.camera.fit(this.bounds ?? { low: [-1, -1], high: [1, 1] });
    this.whole = this.camera.scale;
    this.moved();
  }

  focus(place) {
    this.camera.centre = [place[0], place[1], place[2] ?? 0];
    this.moved();
  }

  // Brings places into sight, near enough to be told apart.
  show(places) {
    const seen = places.filter((one) => Number.isFinite(one[0]));
    if (!seen.length) return;
    const low = seen[0].map((_, axis) => Math.min(...seen.map((one) => one[axis])));
    const high = seen[0].map((_, axis) => Math.max(...seen.map((one) => one[axis])));
    const most = 20 * this.whole;
    this.camera.fit({ low, high });
    this.camera.scale = Math.min(0.55 * this.camera.scale, most);
    this.moved();
  }

  get view() {
    const { centre, scale, turnLeft, turnUp, width } = this.camera;
    return [...centre, scale / width, turnLeft, turnUp].map((one) => Number(one.toPrecision(7)));
  }

  setView(view) {
    if (!Array.isArray(view) || view.length !== 6 || !view.every(Number.isFinite) || view[3] <= 0) return;
    this.camera.centre = view.slice(0, 3);
    this.camera.scale = view[3] * this.camera.width;
    [this.camera.turnLeft, this.camera.turnUp] = view.slice(4);
    this.moved();
  }

  project(place) {
    return this.camera.project(place);
  }

  placeOf(row) {
    const dims = this.camera.dims;
    return Array.from(this.points.subarray(row * dims, (row + 1) * dims));
  }

  isShown(row) {
    return Number.isFinite(this.points[row * this.camera.dims]) && (!this.visible || this.visible[row] > 0);
  }

  // ------------------------------------------------------------ picking

  nearest(x, y) {
    let best = null;
    let least = REACH * REACH;
    const { dims, scale } = this.camera;
    const look = (row) => {
      if (!this.isShown(row)) return;
      const [px, py] = this.camera.project(this.points.subarray(row * dims, (row + 1) * dims));
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) [best, least] = [row, far];
    };
    if (this.grid) this.grid.around(...this.camera.unproject(x, y).slice(0, 2), REACH / scale, look);
    else for (let row = 0; row < this.count; row++) look(row);
    return best;
  }

  within(polygon) {
    const [xs, ys] = [0, 1].map((axis) => polygon.map((one) => one[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const rows = [];
    const dims = this.camera.dims;
    for (let row = 0; row < this.count; row++) {
      if (!this.isShown(row)) continue;
      const [x, y] = this.camera.project(this.points.subarray(row * dims, (row + 1) * dims));
      if (x >= left && x <= right && y >= top && y <= bottom && isInside(polygon, x, y)) rows.push(row);
    }
    return Uint32Array.from(rows);
  }

  // ------------------------------------------------------------ drawing

  prepare() {
    const gl = this.gl;
    this.program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
    }
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(this.program));
    gl.useProgram(this.program);
    this.buffers = Object.fromEntries(["place", "colour", "state"].map((name) => [name, gl.createBuffer()]));
    this.uniforms = Object.fromEntries(
      ["centre", "zoom", "right", "up", "away", "size", "dimmed", "depth", "layer"].map((name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  }

  states() {
    const states = new Uint8Array(this.count);
    for (let row = 0; row < this.count; row++) {
      states[row] = !this.isShown(row) ? HIDDEN : this.selected && this.selected[row] ? CHOSEN : PLAIN;
    }
    return states;
  }

  upload() {
    this.fill("place", this.points);
    this.fill("colour", this.colours);
    this.fill("state", this.states());
  }

  fill(name, values) {
    const gl = this.gl;
    if (!gl || !values) return;
    const size = { place: this.camera.dims, colour: 4, state: 1 }[name];
    const at = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, name === "place" ? gl.FLOAT : gl.UNSIGNED_BYTE, name === "colour", 0, 0);
    this.redraw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    const ratio = window.devicePixelRatio || 1;
    for (const one of [this.canvas, this.overlay]) {
      one.width = Math.round(clientWidth * ratio);
      one.height = Math.round(clientHeight * ratio);
    }
    if (this.camera.width > 1) this.camera.scale *= clientWidth / this.camera.width;
    [this.camera.width, this.camera.height] = [clientWidth, clientHeight];
    if (this.fresh) this.fit();
    this.redraw();
  }

  moved() {
    this.fresh = false;
    this.redraw();
    this.tell("view");
  }

  redraw() {
    if (this.asked || !this.gl) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const { gl, camera, uniforms } = this;
    const ratio = this.canvas.width / camera.width;
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(this.theme.background.slice(from, from + 2), 16) / 255);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(red, green, blue, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (camera.dims === 3) gl.enable(gl.DEPTH_TEST);
    else gl.disable(gl.DEPTH_TEST);
    const [right, up, away] = camera.axes;
    const reach = this.bounds ? Math.hypot(...this.bounds.low.map((low, axis) => this.bounds.high[axis] - low)) : 1;
    gl.uniform3fv(uniforms.centre, camera.centre);
    gl.uniform2f(uniforms.zoom, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform3fv(uniforms.right, right);
    gl.uniform3fv(uniforms.up, up);
    gl.uniform3fv(uniforms.away, away);
    gl.uniform1f(uniforms.depth, 0.4 / Math.max(reach, 1e-9));
    gl.uniform1f(uniforms.size, this.size() * ratio);
    gl.uniform1f(uniforms.dimmed, this.selected ? 1 : 0);
    for (const layer of this.selected ? [0, 1] : [0]) {
      gl.uniform1f(uniforms.layer, layer);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
    drawOverlay(this, ratio);
  }

  // Diameter in pixels: the more points, the smaller; it grows gently as one comes nearer.
  size() {
    const nearer = this.bounds ? Math.max(1, (this.camera.scale * (this.bounds.high[0] - this.bounds.low[0])) / this.camera.width) : 1;
    return Math.min(14, Math.max(1.6, 11 - 1.55 * Math.log10(Math.max(1, this.count))) * nearer ** 0.25);
  }

  // ------------------------------------------------------------ hands

  listen() {
    const canvas = this.canvas;
    const held = new Map();
    let dragged = 0;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, at(event));
      dragged = 0;
      this.lasso = this.mode !== "pan" && held.size === 1 ? [at(event)] : null;
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      if (!held.has(event.pointerId)) return this.hover(x, y);
      const [fromX, fromY] = held.get(event.pointerId);
      const others = [...held.entries()].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
      held.set(event.pointerId, [x, y]);
      dragged += Math.abs(x - fromX) + Math.abs(y - fromY);
      if (others.length) {
        const [[ox, oy]] = others;
        this.lasso = null;
        this.camera.zoom(Math.hypot(x - ox, y - oy) / Math.max(1, Math.hypot(fromX - ox, fromY - oy)), (x + ox) / 2, (y + oy) / 2);
        this.camera.move((x - fromX) / 2, (y - fromY) / 2);
        return this.moved();
      }
      if (this.lasso) {
        const [[x0, y0]] = this.lasso;
        if (this.mode === "lasso") this.lasso.push([x, y]);
        else this.lasso = [[x0, y0], [x, y0], [x, y], [x0, y]];
        return this.redraw();
      }
      if (this.camera.dims === 3 && !event.shiftKey) this.camera.turn(x - fromX, y - fromY);
      else this.camera.move(x - fromX, y - fromY);
      return this.moved();
    });
    const up = (event) => {
      if (!held.delete(event.pointerId)) return;
      const polygon = this.lasso;
      this.lasso = null;
      this.redraw();
      if (event.type === "pointercancel") return;
      if (dragged < 5) {
        const row = this.nearest(...at(event));
        if (row !== null) this.tell("pick", { row });
      } else if (polygon && polygon.length > 2) this.tell("lasso", { rows: this.within(polygon) });
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => this.hover(-1e6, -1e6));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
      this.camera.zoom(Math.exp(-Math.max(-200, Math.min(200, lines)) / 400), ...at(event));
      this.moved();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  hover(x, y) {
    const row = x < 0 ? null : this.nearest(x, y);
    if (row === this.hovered && row === null) return;
    this.hovered = row;
    this.redraw();
    this.tell("hover", { row, x, y });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [x, y] = [this.camera.width / 2, this.camera.height / 2];
    const does = {
      ArrowLeft: () => this.camera.move(40, 0), ArrowRight: () => this.camera.move(-40, 0),
      ArrowUp: () => this.camera.move(0, 40), ArrowDown: () => this.camera.move(0, -40),
      "+": () => this.camera.zoom(1.25, x, y), "=": () => this.camera.zoom(1.25, x, y), "-": () => this.camera.zoom(0.8, x, y),
      0: () => this.fit(), Escape: () => this.tell("lasso", { rows: new Uint32Array(0) }),
      r: () => { this.camera.turnLeft = this.camera.turnUp = 0; },
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
    this.moved();
  }
}
