--- Numbers as colours, maps and matrices in the page.
return [==[
"use strict";
const D = JSON.parse(document.getElementById("data").textContent, (_, v) => v === null ? NaN : v), S = D.sheet;
const $ = id => document.getElementById(id), parts = $("parts"), out = $("out");

// ---- colours and numbers ----
const rgb = D.colours.map(c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
function signed(v, scale) {
  if (Number.isNaN(v)) return [255, 0, 255];
  const t = scale > 0 ? (Math.max(-1, Math.min(1, v / scale)) + 1) * 8 : 8, i = Math.min(15, Math.floor(t)), f = t - i;
  return rgb[i].map((a, k) => Math.round(a + (rgb[i + 1][k] - a) * f));
}
const dark = c => 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] < 140;
const style = c => `background:rgb(${c.join(",")});color:${dark(c) ? "#fff" : "#111"}`;
const most = list => list.reduce((m, v) => Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m, 0);
function short(v) {
  if (!Number.isFinite(v)) return "nan";
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
    return `<td${here ? ' class="mark"' : ""} style="${style(colour)}" title="${v}">${short(v)}</td>`;
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

]==]
