// From points to pixels: turned about the centre, scaled alike in all directions, seen without perspective.

export class Camera {
  constructor() {
    this.dims = 2;
    this.width = this.height = 1;
    this.centre = [0, 0, 0];
    this.scale = 1;
    this.turnLeft = this.turnUp = 0;
  }

  // The rotation as three rows.
  get axes() {
    if (this.dims < 3) return [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    const [c, s, d, t] = [Math.cos(this.turnLeft), Math.sin(this.turnLeft), Math.cos(this.turnUp), Math.sin(this.turnUp)];
    return [[c, 0, s], [s * t, d, -c * t], [-s * d, t, c * d]];
  }

  project(place) {
    const from = [0, 1, 2].map((axis) => (place[axis] ?? 0) - this.centre[axis]);
    const [right, up] = this.axes.map((row) => row[0] * from[0] + row[1] * from[1] + row[2] * from[2]);
    return [this.width / 2 + right * this.scale, this.height / 2 - up * this.scale];
  }

  // The place in the plane of the centre that is seen at a pixel.
  unproject(x, y) {
    const right = (x - this.width / 2) / this.scale;
    const up = (this.height / 2 - y) / this.scale;
    const [a, b] = this.axes;
    return [0, 1, 2].map((axis) => this.centre[axis] + right * a[axis] + up * b[axis]);
  }

  move(x, y) {
    const [a, b] = this.axes;
    for (let axis = 0; axis < 3; axis++) this.centre[axis] += (-x * a[axis] + y * b[axis]) / this.scale;
  }

  turn(x, y) {
    this.turnLeft += x / 150;
    this.turnUp = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, this.turnUp + y / 150));
  }

  // What is seen at the pixel stays there.
  zoom(factor, x, y) {
    const before = this.unproject(x, y);
    this.scale = Math.max(1e-9, Math.min(1e12, this.scale * factor));
    const after = this.unproject(x, y);
    for (let axis = 0; axis < 3; axis++) this.centre[axis] += before[axis] - after[axis];
  }

  fit(bounds) {
    const middle = bounds.low.map((low, axis) => (low + bounds.high[axis]) / 2);
    this.centre = [middle[0], middle[1], middle[2] ?? 0];
    const spans = bounds.low.map((low, axis) => Math.max(bounds.high[axis] - low, 1e-9));
    const whole = Math.hypot(...spans);
    const [wide, high] = this.dims < 3 ? spans : [whole, whole];
    this.scale = 0.92 * Math.min(this.width / wide, this.height / high);
  }
}
