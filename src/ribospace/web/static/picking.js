// Which points lie near a place or inside a polygon.

// A uniform grid over 2-D points: the rows of a cell stand together in `order`, from `starts[cell]` on.
export class Grid {
  constructor(points, bounds) {
    const n = points.length / 2;
    this.side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(n / 4))));
    this.low = bounds.low;
    this.cell = [0, 1].map((axis) => Math.max(bounds.high[axis] - bounds.low[axis], 1e-9) / this.side);
    const cells = new Int32Array(n);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let row = 0; row < n; row++) {
      cells[row] = Number.isFinite(points[2 * row]) ? this.at(points[2 * row], 0) + this.side * this.at(points[2 * row + 1], 1) : -1;
      if (cells[row] >= 0) this.starts[cells[row] + 1]++;
    }
    for (let cell = 0; cell < this.side * this.side; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.order = new Uint32Array(this.starts[this.side * this.side]);
    for (let row = 0; row < n; row++) if (cells[row] >= 0) this.order[next[cells[row]]++] = row;
  }

  at(value, axis) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((value - this.low[axis]) / this.cell[axis])));
  }

  // Calls `visit(row)` for all points of the cells that touch a square.
  around(x, y, radius, visit) {
    for (let row = this.at(y - radius, 1); row <= this.at(y + radius, 1); row++) {
      const first = this.at(x - radius, 0) + this.side * row;
      const last = this.at(x + radius, 0) + this.side * row;
      for (let place = this.starts[first]; place < this.starts[last + 1]; place++) visit(this.order[place]);
    }
  }
}

// Least and greatest coordinate of each axis, of points that are finite.
export function boundsOf(points, dims) {
  const low = new Array(dims).fill(Infinity);
  const high = new Array(dims).fill(-Infinity);
  for (let at = 0; at < points.length; at += dims) {
    if (!Number.isFinite(points[at])) continue;
    for (let axis = 0; axis < dims; axis++) {
      const value = points[at + axis];
      if (value < low[axis]) low[axis] = value;
      if (value > high[axis]) high[axis] = value;
    }
  }
  return low[0] === Infinity ? { low: low.fill(-1), high: high.fill(1) } : { low, high };
}

// Whether a place is inside a polygon, by the even-odd rule.
export function isInside(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
