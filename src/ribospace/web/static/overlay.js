// What lies over the points: marks, arrows, the lasso, the ring about what is hovered, the axes of three dimensions.

export function drawOverlay(map, ratio) {
  const pen = map.overlay.getContext("2d");
  const { ink, background } = map.theme;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, map.camera.width, map.camera.height);
  pen.font = "600 12px system-ui, sans-serif";
  pen.lineJoin = "round";
  for (const arrow of map.arrows) drawArrow(pen, map, arrow, background);
  if (map.hovered !== null) ring(pen, map.project(map.placeOf(map.hovered)), 7, ink, 2);
  for (const mark of map.marks) {
    const [x, y] = map.project(mark.place);
    ring(pen, [x, y], 9, background, 5);
    ring(pen, [x, y], 9, mark.colour ?? ink, 2.5);
    if (mark.shape === "new") cross(pen, [x, y], mark.colour ?? ink);
    if (mark.label) label(pen, mark.label, [x + 13, y + 4], ink, background);
  }
  if (map.camera.dims === 3) axes(pen, map, ink);
  if (map.lasso && map.lasso.length > 1) {
    pen.beginPath();
    for (const [x, y] of map.lasso) pen.lineTo(x, y);
    pen.closePath();
    pen.setLineDash([5, 4]);
    pen.lineWidth = 1.5;
    pen.strokeStyle = ink;
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 0.08;
    pen.fillStyle = ink;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

function ring(pen, [x, y], radius, colour, width) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.stroke();
}

function cross(pen, [x, y], colour) {
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [0, 1]]) {
    pen.moveTo(x - 14 * dx, y - 14 * dy);
    pen.lineTo(x + 14 * dx, y + 14 * dy);
  }
  pen.lineWidth = 1.5;
  pen.strokeStyle = colour;
  pen.stroke();
}

function label(pen, text, [x, y], ink, background) {
  pen.lineWidth = 4;
  pen.strokeStyle = background;
  pen.strokeText(text, x, y);
  pen.fillStyle = ink;
  pen.fillText(text, x, y);
}

function drawArrow(pen, map, arrow, background) {
  const from = map.project(arrow.from);
  const to = map.project(arrow.to);
  const long = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (long < 4) return;
  const [dx, dy] = [(to[0] - from[0]) / long, (to[1] - from[1]) / long];
  const tip = [to[0] - 9 * dx, to[1] - 9 * dy];
  for (const [colour, width] of [[background, 5], [arrow.colour, 2.5]]) {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(arrow.dashed ? [7, 5] : []);
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...tip);
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.beginPath();
  pen.moveTo(...tip);
  for (const side of [1, -1]) pen.lineTo(tip[0] - 10 * dx + 5 * side * dy, tip[1] - 10 * dy - 5 * side * dx);
  pen.fill();
}

function axes(pen, map, ink) {
  const corner = [46, map.camera.height - 46];
  const rows = map.camera.axes;
  for (const [axis, name] of ["1", "2", "3"].entries()) {
    const end = [corner[0] + 30 * rows[0][axis], corner[1] - 30 * rows[1][axis]];
    pen.beginPath();
    pen.moveTo(...corner);
    pen.lineTo(...end);
    pen.lineWidth = 1.5;
    pen.strokeStyle = pen.fillStyle = ink;
    pen.stroke();
    pen.fillText(name, end[0] + 3, end[1] - 3);
  }
}
