// Elements from data; text is only ever set as text.

// An element: attributes, `on…` listeners and properties by name, then children.
export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (["value", "checked", "disabled", "hidden", "className", "textContent"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
}

// Tells what happened to those who see and to those who listen.
export function say(text, isError = false) {
  const said = byId("said");
  said.textContent = text;
  said.className = isError ? "error" : "";
}

export const whole = (number) => number.toLocaleString("en-US");

// Two significant digits, as p-values have them.
export function chance(p) {
  if (p === null || p === undefined) return "–";
  return p < 0.001 ? p.toExponential(1) : Number(p.toPrecision(2)).toString();
}

export function download(name, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// A column of sequences beneath each other, whose shared columns are marked by a star as well as by colour.
export function alignmentOf(alignment, names) {
  const wide = 60;
  const stars = alignment.conserved.map((one) => (one ? "*" : " ")).join("");
  const pieces = [];
  for (let from = 0; from < stars.length; from += wide) {
    const lines = alignment.rows.map((row, at) => {
      const letters = [...row.slice(from, from + wide)].map((letter, place) =>
        alignment.conserved[from + place] ? el("b", {}, letter) : letter);
      return el("div", {}, el("span", { className: "name" }, (names[at] ?? "").slice(0, 14)), ...letters);
    });
    pieces.push(el("div", { className: "piece" }, ...lines, el("div", {}, el("span", { className: "name" }, ""), stars.slice(from, from + wide))));
  }
  const share = alignment.conserved.filter(Boolean).length;
  return el("details", {}, el("summary", {}, `Alignment: ${share} of ${stars.length} columns conserved`),
    el("div", { className: "alignment", tabindex: "0", role: "region", "aria-label": "Alignment" }, ...pieces));
}
