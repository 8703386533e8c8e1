// What is looked at, kept in the address behind #, so that a link shows the same view.

const EMPTY = { p: "", c: "", off: [], range: null, v: null, m: null, t: "molecule" };

export function readState(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const numbers = (name) => (said.get(name) ? said.get(name).split(",").map(Number).filter(Number.isFinite) : []);
  const view = numbers("v");
  const range = numbers("range");
  return {
    ...EMPTY,
    p: said.get("p") ?? "",
    c: said.get("c") ?? "",
    off: numbers("off"),
    range: range.length === 2 ? range : null,
    v: view.length === 6 ? view : null,
    m: said.get("m"),
    t: said.get("t") ?? EMPTY.t,
  };
}

export function writeState(state) {
  const said = new URLSearchParams();
  for (const name of ["p", "c", "m", "t"]) if (state[name]) said.set(name, state[name]);
  for (const name of ["off", "range", "v"]) if (state[name] && state[name].length) said.set(name, state[name].join(","));
  return `#${said}`;
}

// The token of a server that asks for one: it comes in the address once, and stays in this tab.
export function takeToken() {
  const said = new URLSearchParams(location.hash.replace(/^#/, ""));
  const token = said.get("token");
  if (token) {
    sessionStorage.setItem("ribospace-token", token);
    said.delete("token");
    history.replaceState(null, "", `#${said}`);
  }
}
