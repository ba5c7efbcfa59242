--- The page of common/sliding.lua: all in one file, nothing is fetched. @TITLE@ and @DATA@ are filled in.
return [==[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>@TITLE@</title>
<style>
:root { color-scheme: light dark; --line: #d8d8d8; --ink: #202020; --soft: #606060; --mark: #111; --paper: #fff;
  --button: #f6f6f6; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444; --ink: #e4e4e4; --soft: #a0a0a0; --paper: #1b1b1b; --button: #2c2c2c; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 16px; font: 15px/1.4 system-ui, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.25rem; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: .95rem; margin: 0 0 6px; overflow-wrap: anywhere; }
p { margin: 0 0 8px; }
.soft { color: var(--soft); }
main { display: grid; grid-template-columns: minmax(0, 1fr) 352px; gap: 24px; align-items: start; margin-top: 12px; }
#side { position: sticky; top: 12px; }
canvas { image-rendering: pixelated; display: block; max-width: 100%; border: 1px solid var(--line); }
#out { cursor: crosshair; touch-action: manipulation; }
#out:focus-visible, button:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; padding: 8px 0;
  border-bottom: 1px solid var(--line); }
.row > .name { flex: 0 0 100%; font-weight: 600; }
.row > .one { display: flex; align-items: center; gap: 8px; max-width: 100%; }
figure { margin: 0; }
figcaption { font-size: .78rem; color: var(--soft); max-width: 220px; overflow-wrap: anywhere; }
.sign { font-size: 1.1rem; color: var(--soft); padding: 0 2px; }
table.m { border-collapse: collapse; font: 11px/1 ui-monospace, "DejaVu Sans Mono", monospace; }
table.m td { min-width: 40px; height: 22px; padding: 0 2px; text-align: center; border: 1px solid var(--paper); }
table.m td.pad { background: repeating-linear-gradient(45deg, #e8e8e8 0 3px, #fff 3px 6px); color: #666; }
table.m td.mark { outline: 2px solid var(--mark); outline-offset: -2px; font-weight: 700; }
table.sum { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 10px 0 4px; width: 100%; }
table.sum td { padding: 1px 6px; overflow-wrap: anywhere; }
table.sum td:last-child { text-align: right; font-family: ui-monospace, "DejaVu Sans Mono", monospace;
  white-space: nowrap; }
table.sum tr.total td { border-top: 2px solid var(--ink); font-weight: 700; }
table.list { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.list td, table.list th { padding: 1px 10px; text-align: right; font-weight: 400; }
table.list th { color: var(--soft); font-size: .8rem; }
.box { padding: 6px 10px; border: 1px solid var(--line); font: 13px ui-monospace, "DejaVu Sans Mono", monospace; }
button { font: inherit; padding: 4px 12px; border: 1px solid #999; border-radius: 4px; background: var(--button);
  color: inherit; cursor: pointer; }
button[aria-pressed="true"] { background: #0072b2; color: #fff; border-color: #0072b2; }
.keys { font-size: .82rem; color: var(--soft); margin-top: 8px; }
@media (max-width: 820px) {
  main { grid-template-columns: minmax(0, 1fr); }
  #side { position: static; order: -1; }
}
</style>
</head>
<body>
<header><h1 id="title"></h1><p id="said" class="soft"></p></header>
<main>
  <section id="parts" aria-label="the parts"></section>
  <section id="side">
    <h2 id="name"></h2>
    <canvas id="out" tabindex="0" role="application"></canvas>
    <table class="sum" id="sum"></table>
    <p id="here" role="status" aria-live="polite"></p>
    <button id="play" aria-pressed="false">Slide</button>
    <button id="pin" aria-pressed="false">Hold</button>
    <p class="keys">Point at the map, or give it the focus and use the arrow keys (Home, End: first, last).
      Click or Enter holds a place; S slides.</p>
  </section>
</main>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const D = JSON.parse(document.getElementById("data").textContent), S = D.sheet;
const $ = id => document.getElementById(id), parts = $("parts"), out = $("out");

// ---- colours and numbers ----
const rgb = D.colours.map(c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
function signed(v, scale) {
  if (v === null || Number.isNaN(v)) return [255, 0, 255];
  const t = scale > 0 ? (Math.max(-1, Math.min(1, v / scale)) + 1) * 8 : 8, i = Math.min(15, Math.floor(t)), f = t - i;
  return rgb[i].map((a, k) => Math.round(a + (rgb[i + 1][k] - a) * f));
}
const dark = c => 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] < 140;
const css = c => `rgb(${c.join(",")})`;
const most = list => list.reduce((m, v) => v === null ? m : Math.max(m, Math.abs(v)), 0);
function short(v) {
  if (v === null) return "nan";
  if (v === 0) return "0";
  const a = Math.abs(v);
  return a >= 1e4 || a < 5e-4 ? v.toExponential(0) : a >= 100 ? v.toFixed(1) : a >= 10 ? v.toFixed(2) : v.toFixed(3);
}
const esc = s => String(s).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
function element(tag, parent, name) {
  const e = document.createElement(tag);
  if (name) e.className = name;
  if (parent) parent.append(e);
  return e;
}

// ---- maps: numbers as squares; `extra` of them in a row of their own in front ----
class Map2 {
  constructor(canvas, m, size, tint) {
    Object.assign(this, {canvas, m, size, tint});
    this.front = m.extra > 0 ? 1 : 0;
    this.fit();
  }
  at(i) {
    const e = this.m.extra || 0;
    return i < e ? [0, i] : [this.front + Math.floor((i - e) / this.m.w), (i - e) % this.m.w];
  }
  fit() {
    this.columns = Math.max(this.m.w, this.m.extra || 0);
    this.lines = this.m.h + this.front;
    this.px = Math.max(1, Math.min(48, Math.floor(this.size / Math.max(this.columns, this.lines))));
    this.canvas.width = this.columns * this.px;
    this.canvas.height = this.lines * this.px;
    const wide = this.size / Math.max(this.columns, this.lines) * this.columns; // more numbers than there are pixels
    this.canvas.style.width = this.px > 1 || wide >= this.columns ? "" : Math.floor(wide) + "px";
  }
  index(x, y) {
    const c = Math.floor(x / this.px), r = Math.floor(y / this.px), e = this.m.extra || 0;
    const i = r < this.front ? c : e + (r - this.front) * this.m.w + c;
    const fits = r < this.front ? c < e : c < this.m.w;
    return c >= 0 && r >= 0 && fits && i < this.m.v.length ? i : -1;
  }
  paint(scale) {
    const cells = document.createElement("canvas");
    cells.width = this.columns;
    cells.height = this.lines;
    const g = cells.getContext("2d"), image = g.createImageData(this.columns, this.lines);
    const tint = {red: 0, green: 1, blue: 2}[this.tint];
    let low = 0, span = 1;
    if (tint !== undefined) {
      low = Math.min(...this.rows(Math.min));
      span = Math.max(...this.rows(Math.max)) - low || 1;
    }
    this.m.v.forEach((v, i) => {
      const [r, c] = this.at(i), o = 4 * (r * this.columns + c);
      let colour = tint === undefined ? signed(v, scale) : [0, 0, 0];
      if (tint !== undefined) colour[tint] = Math.round((v - low) / span * 255);
      if (this.live && !this.live(i)) colour = colour.map(k => Math.round(k * .35 + 160));
      image.data.set([...colour, 255], o);
    });
    g.putImageData(image, 0, 0);
    this.cells = cells;
  }
  rows(f) { // the least or the greatest of each row: a map can have more numbers than a call takes arguments
    const list = [];
    for (let i = 0; i < this.m.v.length; i += this.m.w) list.push(f(...this.m.v.slice(i, i + this.m.w)));
    return list;
  }
  draw(marks) {
    const g = this.canvas.getContext("2d"), px = this.px;
    g.imageSmoothingEnabled = false;
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.drawImage(this.cells, 0, 0, this.canvas.width, this.canvas.height);
    for (const [r0, c0, r1, c1] of marks || []) {
      let x = c0 * px, y = r0 * px, w = (c1 - c0 + 1) * px, h = (r1 - r0 + 1) * px;
      if (w < 7) [x, w] = [x - (7 - w) / 2, 7]; // to be seen
      if (h < 7) [y, h] = [y - (7 - h) / 2, 7];
      x = Math.max(1.5, Math.min(x, this.canvas.width - w - 1.5));
      y = Math.max(1.5, Math.min(y, this.canvas.height - h - 1.5));
      g.lineWidth = 3;
      g.strokeStyle = "#fff";
      g.strokeRect(x - .5, y - .5, w + 1, h + 1);
      g.lineWidth = 1.5;
      g.strokeStyle = "#000";
      g.strokeRect(x - .5, y - .5, w + 1, h + 1);
    }
  }
  mark(i) {
    const [r, c] = this.at(i);
    this.draw([[r, c, r, c]]);
  }
}

// A matrix as a table; null is padding.
function matrix(rows, scale, mark) {
  return '<table class="m">' + rows.map((row, r) => "<tr>" + row.map((v, c) => {
    if (v === null) return '<td class="pad">0</td>';
    const colour = signed(v, scale), here = mark && mark[0] === r && mark[1] === c;
    return `<td${here ? ' class="mark"' : ""} style="background:${css(colour)};color:${dark(colour) ? "#fff" : "#111"}"` +
      ` title="${v}">${short(v)}</td>`;
  }).join("") + "</tr>").join("") + "</table>";
}

// The same without numbers, for large ones.
function picture(parent, title) {
  const f = element("figure", parent), c = element("canvas", f);
  element("figcaption", f).textContent = title;
  return c;
}
function fill(canvas, m, size, scale, mark) {
  const map = new Map2(canvas, m, size);
  map.paint(scale);
  if (mark >= 0) map.mark(mark); else map.draw();
}
const flat = rows => rows.flat().map(v => v === null ? 0 : v);
function show(cell, title, rows, scale, mark) {
  if (rows.length <= 7 && rows[0].length <= 5) {
    cell.innerHTML = matrix(rows, scale, mark) + `<figcaption>${esc(title)}</figcaption>`;
    return;
  }
  let c = cell.querySelector("canvas");
  if (!c) {
    cell.innerHTML = "";
    c = element("canvas", cell);
    element("figcaption", cell).textContent = title;
  }
  const m = {w: rows[0].length, h: rows.length, extra: 0, v: flat(rows)};
  fill(c, m, parts.clientWidth < 700 ? 112 : 160, scale, mark ? mark[0] * m.w + mark[1] : -1);
}

function row(label, signs) {
  const r = element("div", parts, "row");
  element("div", r, "name").textContent = label;
  const cells = [];
  let one = null; // a sign and what stands behind it stay together
  for (const s of signs) {
    one = one || element("div", r, "one");
    if (s) element("span", one, "sign").textContent = s;
    else {
      cells.push(element("figure", one));
      one = null;
    }
  }
  return {r, cells, name: r.firstChild};
}

// ---- the families: each makes its rows, and gives what is shown at a place ----
// The size of a map of which n stand side by side.
const small = n => Math.floor(Math.min(190, Math.max(104, (parts.clientWidth - 44 * (n - 1)) / n)));
const families = {
  window() {
    const conv = D.how === "conv", scale = most(D.maps.flatMap(m => [most(m.v)]));
    const rows = D.maps.map(m => {
      const {name, cells} = row(m.name, conv ? [null, null, "×", null, "=", null] : [null, null]);
      const map = new Map2(element("canvas", cells[0]), {...m, extra: 0}, parts.clientWidth < 700 ? 112 : 160,
        ["red", "green", "blue"].includes(m.name) ? m.name : undefined);
      map.paint(scale);
      element("figcaption", cells[0]).textContent = `${m.h} × ${m.w}`;
      return {m, map, cells, name};
    });
    const kernels = most(D.maps.flatMap(m => m.kernel || []));
    return p => {
      const ys = D.rows[Math.floor(p / S.w)], xs = D.cols[p % S.w], sums = [];
      const seen = l => l.filter(v => v >= 0), holes = l => l.some((v, i) => i && v >= 0 && l[i - 1] >= 0 && v > l[i - 1] + 1);
      const marks = holes(ys) || holes(xs) ? seen(ys).flatMap(y => seen(xs).map(x => [y, x, y, x]))
        : [[Math.min(...seen(ys)), Math.min(...seen(xs)), Math.max(...ys), Math.max(...xs)]];
      const all = rows.map(({m}) => ys.map(y => xs.map(x => y < 0 || x < 0 ? null : m.v[y * m.w + x])));
      const products = conv ? all.map((patch, c) => patch.map((line, r) => line.map((v, k) =>
        (v === null ? 0 : v) * D.maps[c].kernel[r * xs.length + k]))) : [];
      const top = most(products.flat(2));
      rows.forEach(({m, map, cells, name}, c) => {
        map.draw(marks);
        let total = 0, mark;
        if (conv) {
          total = products[c].flat().reduce((a, v) => a + v, 0);
          show(cells[1], "patch", all[c], scale);
          show(cells[2], "kernel", ys.map((_, r) => m.kernel.slice(r * xs.length, (r + 1) * xs.length)), kernels);
          show(cells[3], "products", products[c], top);
        } else if (D.how === "max") {
          total = -Infinity;
          all[c].forEach((line, r) => line.forEach((v, k) => {
            if (v !== null && v > total) [total, mark] = [v, [r, k]];
          }));
          show(cells[1], "window, the greatest marked", all[c], scale, mark);
        } else {
          total = flat(all[c]).reduce((a, v) => a + v, 0) / D.divisor[p];
          show(cells[1], `window, its sum divided by ${D.divisor[p]}`, all[c], scale);
        }
        name.textContent = `${m.name}: ${short(total)}`;
        sums.push([m.name, total]);
      });
      if (D.rest) sums.push([D.others, D.rest[p]]);
      if (D.bias !== undefined) sums.push(["bias", D.bias]);
      return sums;
    };
  },

  dot() {
    const at = p => D.rows[p - D.from], of = (p, k) => at(p)[k] || D.rows[0][k];
    let blocks = [], table, cells;
    if (D.blocks) {
      for (let i = 0; i < Math.min(8, D.blocks[0]); i++) blocks.push(row(" ", [null, "×", null, "=", null]));
    } else if (D.grid) {
      cells = row(`${of(D.from, "v").length} ${D.one}s`,
        (D.before_title ? [null, "softmax"] : []).concat([null, "×", null, "=", null])).cells;
    } else table = element("table", parts, "list");
    const across = D.before_title ? 4 : 3;
    const put = (cell, title, m, scale) => {
      let c = cell.querySelector("canvas");
      if (!c) {
        c = element("canvas", cell);
        element("figcaption", cell).textContent = title;
      }
      fill(c, m, small(across), scale);
    };
    return p => {
      const v = of(p, "v"), w = of(p, "w"), products = v.map((a, i) => a * w[i]), sums = [];
      const {bias, rest, before} = at(p);
      if (D.blocks) {
        const [n, h, wide] = D.blocks, size = h * wide;
        const part = (list, c) => list.slice(c * size, (c + 1) * size);
        const totals = Array.from({length: n}, (_, c) => part(products, c).reduce((a, b) => a + b, 0));
        const order = totals.map((_, c) => c).sort((a, b) => Math.abs(totals[b]) - Math.abs(totals[a]));
        const chosen = order.slice(0, blocks.length).sort((a, b) => a - b), top = most(products);
        chosen.forEach((c, i) => {
          const m = list => ({w: wide, h, extra: 0, v: part(list, c)});
          blocks[i].r.querySelector(".name").textContent = `channel ${c}: ${short(totals[c])}`;
          put(blocks[i].cells[0], "map", m(v), most(v));
          put(blocks[i].cells[1], "weights", m(w), most(w));
          put(blocks[i].cells[2], "products", m(products), top);
          sums.push([`channel ${c}`, totals[c]]);
        });
        const others = order.slice(blocks.length);
        if (others.length) {
          sums.push([`${others.length} other channel${others.length > 1 ? "s" : ""}`,
            others.reduce((a, c) => a + totals[c], 0)]);
        }
      } else if (D.grid) {
        const m = list => ({...D.grid, v: list}), list = before ? [[D.before_title, before]] : [];
        list.push([D.titles[1], w], [D.titles[0], v], ["products", products]);
        list.forEach(([title, numbers], i) => put(cells[i], title, m(numbers), most(numbers.filter(Number.isFinite))));
        sums.push([`${v.length} ${D.one}s`, products.reduce((a, b) => a + b, 0)]);
      } else {
        const order = products.map((_, i) => i).sort((a, b) => Math.abs(products[b]) - Math.abs(products[a]));
        const chosen = order.slice(0, 14).sort((a, b) => a - b), top = most(products);
        const cell = (x, scale) => {
          const c = signed(x, scale);
          return `<td style="background:${css(c)};color:${dark(c) ? "#fff" : "#111"}">${short(x)}</td>`;
        };
        table.innerHTML = `<tr><th></th><th>${esc(D.titles[0])}</th><th></th><th>${esc(D.titles[1])}</th><th></th>` +
          "<th>product</th></tr>" + chosen.map(i => `<tr><td>${D.one} ${D.names ? D.names[i] : i}</td>` +
          cell(v[i], most(v)) + "<td>×</td>" + cell(w[i], most(w)) + "<td>=</td>" + cell(products[i], top) + "</tr>").join("");
        const told = chosen.reduce((a, i) => a + products[i], 0);
        sums.push([`the ${chosen.length} ${D.one}s shown`, told]);
        const more = (D.names ? D.names.length : v.length) - chosen.length;
        if (D.others || more > 0) {
          sums.push(["all others", products.reduce((a, b) => a + b, 0) - told + (rest || 0)]);
        }
      }
      if (bias !== undefined && bias !== null) sums.push(["bias", bias]);
      return sums;
    };
  },

  chain() {
    const rows = D.summands.map(s => {
      const list = [];
      s.steps.forEach((t, i) => list.push(...(t.sign && i ? [t.sign] : []), null));
      const {cells} = row(s.label, list);
      return s.steps.map((t, i) => {
        const cell = cells[i], isMap = Array.isArray(t.v), one = {t, value: null};
        if (t.curve) {
          one.curve = element("canvas", cell);
          one.curve.width = small(3);
          one.curve.height = Math.floor(small(3) * .7);
        } else if (isMap && t.v.length > 1) {
          one.map = new Map2(element("canvas", cell), {...S, v: t.v}, small(3));
          one.map.paint(most(t.v));
        }
        one.value = element("div", cell, "box");
        element("figcaption", cell).textContent = t.title;
        return one;
      });
    });
    const curve = (canvas, points, x, y) => {
      const g = canvas.getContext("2d"), W = canvas.width, H = canvas.height;
      const xs = points.map(q => q[0]), ys = points.map(q => q[1]);
      const x0 = Math.min(...xs), x1 = Math.max(...xs), y0 = Math.min(0, ...ys), y1 = Math.max(0, ...ys);
      const px = v => 8 + (v - x0) / (x1 - x0 || 1) * (W - 16), py = v => H - 8 - (v - y0) / (y1 - y0 || 1) * (H - 16);
      g.fillStyle = "#fff";
      g.fillRect(0, 0, W, H);
      g.strokeStyle = "#ccc";
      g.beginPath();
      g.moveTo(8, py(0)); g.lineTo(W - 8, py(0)); g.moveTo(px(0), 8); g.lineTo(px(0), H - 8);
      g.stroke();
      g.strokeStyle = "#0072b2";
      g.lineWidth = 2;
      g.beginPath();
      points.forEach((q, i) => i ? g.lineTo(px(q[0]), py(q[1])) : g.moveTo(px(q[0]), py(q[1])));
      g.stroke();
      g.lineWidth = 1;
      g.fillStyle = "#d55e00";
      g.beginPath();
      g.arc(px(x), py(y), 5, 0, 7);
      g.fill();
    };
    return p => D.summands.map((s, k) => {
      let before = null;
      rows[k].forEach(({t, map, curve: c, value}) => {
        const v = Array.isArray(t.v) ? t.v[p] : t.v;
        if (map) map.mark(p);
        if (c) curve(c, t.curve, before, v);
        value.textContent = short(v);
        before = v;
      });
      return [s.label, s.sum[p]];
    });
  },
};

// ---- the page ----
$("title").textContent = D.title;
$("said").textContent = D.said;
$("name").textContent = S.name;
let chosen = S.chosen, held = false, timer = null, update, sheet;
const live = p => D.family !== "dot" || p >= D.from && p < D.from + D.rows.length;

function where(p) {
  if (S.names && S.names[p]) return `${p}, ${S.names[p]}`;
  if (p < (S.extra || 0)) return `token ${p}`;
  const i = p - (S.extra || 0);
  return S.h > 1 && !/all units/.test(S.name) ? `row ${Math.floor(i / S.w)}, column ${i % S.w}` : `number ${p}`;
}
function go(p) {
  if (p < 0 || p >= S.v.length || !live(p)) return;
  chosen = p;
  sheet.mark(p);
  const sums = update(p), value = S.v[p];
  const size = Math.max(1e-30, ...sums.map(s => Math.abs(s[1] || 0)));
  const d = Math.max(0, Math.min(12, 6 - Math.floor(Math.log10(size))));
  const total = sums.reduce((a, s) => a + Number((s[1] ?? NaN).toFixed(d)), 0);
  // the digits to which the two agree: the last ones are rounding's
  const less = value === null ? d : [d, d - 1, d - 2].find(k => k >= 0 && total.toFixed(k) === value.toFixed(k))
    ?? Math.max(0, d - 1);
  $("sum").innerHTML = sums.map((s, i) => `<tr><td>${i ? "+" : ""}</td><td>${esc(s[0])}</td>` +
    `<td>${s[1] === null ? "nan" : s[1].toFixed(d)}</td></tr>`).join("") +
    `<tr class="total"><td>=</td><td>the sum</td><td id="total">${total.toFixed(less)}</td></tr>` +
    `<tr><td></td><td>the model's own</td><td id="own">${value === null ? "nan" : value.toFixed(less)}</td></tr>`;
  $("here").textContent = `${where(p)}: ${short(value)}`;
}
function hold(on) {
  held = on;
  $("pin").setAttribute("aria-pressed", on);
}
function slide(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => {
    let p = chosen;
    do p = (p + 1) % S.v.length; while (!live(p));
    go(p);
  }, 250) : null;
  $("play").setAttribute("aria-pressed", on);
}
function layout() {
  parts.innerHTML = "";
  update = families[D.family]();
  sheet = new Map2(out, S, Math.min(340, $("side").clientWidth - 4));
  sheet.live = live;
  sheet.paint(most(S.v));
  go(chosen);
}
function pointed(event) {
  const box = out.getBoundingClientRect(), k = out.width / (box.width - 2);
  return sheet.index((event.clientX - box.left - 1) * k, (event.clientY - box.top - 1) * k);
}
out.setAttribute("aria-label", `${S.name}: ${S.v.length} numbers; arrow keys move`);
out.addEventListener("pointermove", e => {
  if (held || timer) return;
  const p = pointed(e);
  if (p >= 0 && p !== chosen) go(p);
});
out.addEventListener("click", e => {
  const p = pointed(e);
  if (p < 0) return;
  hold(!(held && p === chosen));
  go(p);
});
function key(e) {
  if (e.ctrlKey || e.altKey || e.metaKey) return;
  const first = S.extra || 0, own = chosen < first ? chosen : chosen - first;
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -S.w, ArrowDown: S.w}[e.key];
  if (e.key === "s" || e.key === "S") return slide(!timer);
  if (document.activeElement !== out) return;
  if (e.key === "Enter" || e.key === " ") hold(!held);
  else if (e.key === "Escape") { hold(false); slide(false); }
  else if (e.key === "Home") go(D.family === "dot" ? D.from : 0);
  else if (e.key === "End") go(D.family === "dot" ? D.from + D.rows.length - 1 : S.v.length - 1);
  else if (step === undefined) return;
  else if (chosen < first && e.key === "ArrowDown") go(Math.min(first + own, S.v.length - 1));
  else if (chosen >= first && e.key === "ArrowUp" && own < S.w && first) go(Math.min(own, first - 1));
  else if (Math.abs(step) === 1 || chosen + step >= first) go(chosen + step);
  e.preventDefault();
}
document.addEventListener("keydown", key);
$("play").addEventListener("click", () => slide(!timer));
$("pin").addEventListener("click", () => hold(!held));
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) { width = innerWidth; layout(); }
});
layout();
</script>
</body>
</html>
]==]
