// One model on one canvas: what is in sight is drawn, nothing else. Panned, zoomed and walked through.
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const FONT = "-apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

class View {
  constructor(canvas, data, app) {
    this.canvas = canvas;
    this.app = app;
    this.ctx = canvas.getContext("2d");
    const widths = new Map();
    this.model = new Model(data, (text, bold) => {
      const key = (bold ? "b" : "n") + text;
      if (!widths.has(key)) {
        this.ctx.font = (bold ? "600 12px " : "11px ") + FONT;
        widths.set(key, this.ctx.measureText(text).width);
      }
      return widths.get(key);
    });
    this.model.unfoldSome(60);
    this.scale = 1;
    this.x = this.y = 0;
    this.selected = null;
    this.hover = null;
    this.pointers = new Map();
    this.cuts = new Map();
    this.events();
    this.relayout();
  }

  relayout() {
    this.flat = this.model.flat();
    this.at = new Map();
    for (const n of this.flat.nodes) this.at.set(n.row !== undefined ? "r" + n.row : "g" + n.group, n);
    for (const f of this.flat.frames) this.at.set("g" + f.group, f);
    this.redraw();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect(), dpr = window.devicePixelRatio || 1;
    this.width = Math.max(1, box.width);
    this.height = Math.max(1, box.height);
    const w = Math.round(this.width * dpr), h = Math.round(this.height * dpr);
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.dpr = dpr;
    this.redraw();
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  // ---- drawing ----

  colour(name) { return this.app.colours[name]; }

  draw() {
    const c = this.ctx, s = this.scale, dpr = this.dpr || 1;
    if (!this.width) return;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.fillStyle = this.colour("--paper");
    c.fillRect(0, 0, this.width, this.height);
    c.setTransform(dpr * s, 0, 0, dpr * s, this.x * dpr, this.y * dpr);
    const lo = {x: -this.x / s, y: -this.y / s}, hi = {x: (this.width - this.x) / s, y: (this.height - this.y) / s};
    const sees = (x, y, w, h) => x < hi.x && x + w > lo.x && y < hi.y && y + h > lo.y;
    const text = s > 0.32, fine = s > 0.14;
    this.drawn = 0;
    for (const f of this.flat.frames) if (sees(f.x, f.y, f.w, f.h)) this.frame(f, fine);
    this.lines(sees, fine, text);
    if (text) for (const f of this.flat.frames) if (sees(f.x, f.y, f.w, FRAME.top)) this.title(f);
    for (const n of this.flat.nodes) {
      if (!sees(n.x, n.y, n.w, n.h)) continue;
      this.drawn++;
      if (n.row !== undefined) this.row(n, text, fine); else this.folded(n, text, fine);
    }
    if (text) this.frontier(sees);
    const on = this.selected && this.at.get(this.selected);
    if (on) {
      c.strokeStyle = this.colour("--accent");
      c.lineWidth = Math.max(2, 2.5 / s);
      this.box(on.x - 3, on.y - 3, on.w + 6, on.h + 6, 10);
      c.stroke();
    }
    this.frames = (this.frames || 0) + 1;
  }

  box(x, y, w, h, r) {
    const c = this.ctx;
    c.beginPath();
    if (c.roundRect) c.roundRect(x, y, w, h, Math.min(r, w / 2, h / 2)); else c.rect(x, y, w, h);
  }

  words(text, x, y, width, font, colour) {
    const c = this.ctx;
    c.font = font;
    c.fillStyle = colour;
    if (c.measureText(text).width > width) {
      let lo = 0, hi = text.length;
      while (lo < hi) {
        const mid = (lo + hi + 1) >> 1;
        if (c.measureText(text.slice(0, mid) + "…").width <= width) lo = mid; else hi = mid - 1;
      }
      text = text.slice(0, lo) + "…";
    }
    c.fillText(text, x, y);
  }

  frame(f, fine) {
    const c = this.ctx, g = this.model.groups[f.group];
    c.fillStyle = this.colour(f.depth % 2 ? "--frame1" : "--frame2");
    if (!fine) return c.fillRect(f.x, f.y, f.w, f.h);
    this.box(f.x, f.y, f.w, f.h, 10);
    c.fill();
    c.strokeStyle = this.hover === "g" + f.group ? this.colour("--accent") : this.colour(this.app.frozen && g.frozen ? "--ice-line" : "--frame-line");
    c.lineWidth = 1;
    c.stroke();
  }

  title(f) {
    const c = this.ctx, g = this.model.groups[f.group];
    const wide = Math.min(f.w - 14, g.titleWide + g.classWide + 42);
    c.fillStyle = this.colour(f.depth % 2 ? "--frame1" : "--frame2");
    c.fillRect(f.x + 6, f.y + 5, wide, 20);
    this.chevron(f.x + 14, f.y + 15, true);
    this.words(g.title, f.x + 24, f.y + 19, f.w - 34, "600 12px " + FONT, this.colour("--ink"));
    const used = Math.min(f.w - 34, g.titleWide) + 34, rest = f.w - used - 10;
    if (rest > 50) this.words(g.c, f.x + used, f.y + 19, rest, "11px " + FONT, this.colour("--dim"));
  }

  chevron(x, y, open) {
    const c = this.ctx;
    c.strokeStyle = this.colour("--dim");
    c.lineWidth = 1.6;
    c.beginPath();
    if (open) { c.moveTo(x - 4, y - 2); c.lineTo(x, y + 2); c.lineTo(x + 4, y - 2); }
    else { c.moveTo(x - 2, y - 4); c.lineTo(x + 2, y); c.lineTo(x - 2, y + 4); }
    c.stroke();
  }

  // How much of the heaviest a row or module takes, 0 to 1; null where heat is off.
  heat(x) {
    const by = this.app.heat;
    if (!by) return null;
    const v = by === "macs" ? x.m : x.n;
    return v ? Math.sqrt(v / (by === "macs" ? this.app.most.m : this.app.most.n)) : 0;
  }

  row(n, text, fine) {
    const c = this.ctx, row = this.model.rows[n.row], ink = this.colour("--ink");
    const pill = row.in || row.end, frozen = this.app.frozen && row.fr, heat = this.heat(row);
    if (!fine) {
      const far = this.app.status && this.app.status(this, row);
      c.fillStyle = heat !== null ? heated(heat, this.app.dark) : this.colour("--" + (far || (frozen ? "ice-line" : pill ? "edge" : row.kind)));
      c.fillRect(n.x, n.y, n.w, n.h);
      return;
    }
    this.box(n.x, n.y, n.w, n.h, pill || row.f ? n.h / 2 : 7);
    c.fillStyle = heat !== null ? heated(heat, this.app.dark) : frozen ? this.colour("--ice") : this.colour(pill ? "--port" : "--card");
    c.fill();
    const status = this.app.status && this.app.status(this, row);
    c.strokeStyle = status ? this.colour("--" + status) : this.hover === "r" + n.row ? this.colour("--accent")
      : this.colour(frozen ? "--ice-line" : "--line");
    c.lineWidth = status ? 2.5 : 1.2;
    if (row.f) c.setLineDash([4, 3]);
    c.stroke();
    c.setLineDash([]);
    if (!pill && !row.f) {
      c.fillStyle = this.colour("--" + row.kind) || this.colour("--other");
      c.fillRect(n.x + 1, n.y + 7, 4, n.h - 14);
    }
    if (!text) return;
    const marks = (frozen ? 18 : 0) + (row.bn && this.app.evals ? 32 : 0), x = n.x + 13, wide = n.w - 20;
    const strong = heat > 0.75 && !this.app.dark ? "#fff" : ink;
    const weak = heat !== null ? strong : this.colour("--dim");
    if (row.sub) {
      this.words(row.title, x, n.y + 17, wide - marks, "600 12px " + FONT, strong);
      this.words(row.sub, x, n.y + 33, wide, "11px " + FONT, weak);
    } else this.words(row.title, x, n.y + n.h / 2 + 4, wide - marks, "italic 12px " + FONT, strong);
    this.marks(n, frozen, row.bn && this.app.evals);
  }

  marks(n, frozen, evals) {
    const c = this.ctx;
    let x = n.x + n.w - 9;
    c.textAlign = "right";
    if (frozen) {
      c.font = "13px " + FONT;
      c.fillStyle = this.colour("--ice-ink");
      c.fillText("❄", x, n.y + 17);
      x -= 17;
    }
    if (evals) {
      c.font = "600 9px " + FONT;
      c.fillStyle = this.colour("--eval");
      this.box(x - 28, n.y + 7, 28, 13, 6);
      c.fill();
      c.fillStyle = this.colour("--card");
      c.fillText("eval", x - 4.5, n.y + 17);
    }
    c.textAlign = "left";
  }

  folded(n, text, fine) {
    const c = this.ctx, g = this.model.groups[n.group], frozen = this.app.frozen && g.frozen, heat = this.heat(g);
    if (fine) {
      this.box(n.x + 4, n.y + 4, n.w, n.h, 8);
      c.fillStyle = this.colour("--frame1");
      c.fill();
      c.strokeStyle = this.colour("--line");
      c.lineWidth = 1;
      c.stroke();
    }
    this.box(n.x, n.y, n.w, n.h, 8);
    c.fillStyle = heat !== null ? heated(heat, this.app.dark) : this.colour(frozen ? "--ice" : "--group");
    c.fill();
    const status = this.app.status && this.app.statusOfGroup(this, g);
    c.strokeStyle = status ? this.colour("--" + status) : this.hover === "g" + n.group ? this.colour("--accent")
      : this.colour(frozen ? "--ice-line" : "--line");
    c.lineWidth = status ? 2.5 : 1.2;
    c.stroke();
    if (!text) return;
    const strong = heat > 0.75 && !this.app.dark ? "#fff" : this.colour("--ink");
    this.chevron(n.x + 14, n.y + 14, false);
    this.words(g.title, n.x + 24, n.y + 19, n.w - 34 - (frozen ? 18 : 0), "600 12px " + FONT, strong);
    this.words(g.sub, n.x + 13, n.y + 36, n.w - 20, "11px " + FONT, heat !== null ? strong : this.colour("--dim"));
    this.marks(n, frozen, false);
  }

  lines(sees, fine, text) {
    const c = this.ctx, chosen = this.near;
    const path = l => {
      c.moveTo(l.x1, l.y1);
      c.lineTo(l.x1, l.y1b);
      if (l.x1 === l.x2 || !fine) c.lineTo(l.x2, l.y2b);
      else c.bezierCurveTo(l.x1, (l.y1b + l.y2b) / 2, l.x2, (l.y1b + l.y2b) / 2, l.x2, l.y2b);
      c.lineTo(l.x2, l.y2);
    };
    const seen = this.flat.lines.filter(l => sees(Math.min(l.x1, l.x2) - 2, l.y1, Math.abs(l.x2 - l.x1) + 4, l.y2 - l.y1 || 1));
    this.drawnLines = seen.length;
    const flows = this.app.frontier && this.model.data.trains;
    for (const kind of ["line", "gradient", "chosen"]) {
      c.beginPath();
      let any = false;
      for (const l of seen) {
        const grad = flows && this.model.rows[l.s].gr;
        const is = chosen && chosen.has(l.s) ? "chosen" : grad ? "gradient" : "line";
        if (is !== kind) continue;
        path(l);
        any = true;
      }
      if (!any) continue;
      c.strokeStyle = this.colour(kind === "line" ? "--edge" : kind === "gradient" ? "--gradient" : "--accent");
      c.lineWidth = (kind === "chosen" ? 2.4 : 1.4) * (fine ? 1 : 1.6);
      c.stroke();
    }
    if (!text) return;
    c.fillStyle = this.colour("--edge");
    for (const l of seen) { // heads, where a line ends at something
      if (!l.kid || (l.kid.group !== undefined && this.model.open.has(l.kid.group))) continue;
      c.beginPath();
      c.moveTo(l.x2, l.y2);
      c.lineTo(l.x2 - 3.5, l.y2 - 6);
      c.lineTo(l.x2 + 3.5, l.y2 - 6);
      c.fill();
    }
    if (!this.app.shapes || this.scale < 0.6) return;
    c.font = "10px " + FONT;
    c.fillStyle = this.colour("--dim");
    const said = new Set();
    for (const l of seen) {
      const row = this.model.rows[l.s], key = l.s + ":" + l.y1b;
      if (!l.told || said.has(key) || row.in) continue;
      said.add(key);
      c.fillText(shape(row.s), l.x1 + 5, Math.min(l.y1b, l.y2b) + 15);
    }
  }

  // Where backward stops: across the lines on which no gradient goes on.
  frontier(sees) {
    if (!this.app.frontier || !this.model.data.trains) return;
    const c = this.ctx;
    for (const l of this.flat.lines) {
      const from = this.model.rows[l.s], to = l.kid && this.firstOf(l.kid);
      if (!to || from.gr || from.in || !to.gr || !l.kid) continue;
      if (l.kid.group !== undefined && this.model.open.has(l.kid.group)) continue;
      if (!sees(l.x2 - 60, l.y2 - 12, 120, 24)) continue;
      c.strokeStyle = this.colour("--frontier");
      c.lineWidth = 2.5;
      c.setLineDash([5, 3]);
      c.beginPath();
      c.moveTo(l.x2 - 26, l.y2 - 10);
      c.lineTo(l.x2 + 26, l.y2 - 10);
      c.stroke();
      c.setLineDash([]);
      c.textAlign = "right";
      this.words("backward stops here", l.x2 - 31, l.y2 - 6, 140, "600 10px " + FONT, this.colour("--frontier"));
      c.textAlign = "left";
    }
  }

  firstOf(kid) {
    if (kid.row !== undefined) return this.model.rows[kid.row];
    const g = this.model.groups[kid.group];
    let r = g.first;
    for (; r <= g.last; r++) if (this.model.rows[r].gr) return this.model.rows[r];
    return this.model.rows[g.first];
  }

  // ---- moving ----

  limits() {
    const room = 60;
    this.x = Math.max(Math.min(this.x, this.width - room), room - this.flat.w * this.scale);
    this.y = Math.max(Math.min(this.y, this.height - room), room - this.flat.h * this.scale);
  }

  moveTo(x, y, scale, quick) {
    cancelAnimationFrame(this.flight);
    const from = [this.x, this.y, this.scale], began = performance.now(), time = quick || still() ? 0 : 220;
    const step = now => {
      const t = time ? Math.min(1, (now - began) / time) : 1, e = 1 - (1 - t) ** 3;
      this.x = from[0] + (x - from[0]) * e;
      this.y = from[1] + (y - from[1]) * e;
      this.scale = from[2] + (scale - from[2]) * e;
      this.draw();
      if (t < 1) this.flight = requestAnimationFrame(step); else this.app.moved(this);
    };
    if (time) this.flight = requestAnimationFrame(step); else step(began);
  }

  pan(dx, dy) {
    cancelAnimationFrame(this.flight);
    this.x += dx;
    this.y += dy;
    this.limits();
    this.redraw();
    this.app.moved(this);
  }

  zoom(by, cx, cy) {
    cancelAnimationFrame(this.flight);
    cx = cx ?? this.width / 2;
    cy = cy ?? this.height / 2;
    const to = Math.max(0.004, Math.min(4, this.scale * by)), f = to / this.scale;
    this.x = cx - (cx - this.x) * f;
    this.y = cy - (cy - this.y) * f;
    this.scale = to;
    this.limits();
    this.redraw();
    this.app.moved(this);
  }

  fit(quick) {
    const s = Math.min((this.width - 40) / this.flat.w, (this.height - 40) / this.flat.h, 1.2);
    this.moveTo((this.width - this.flat.w * s) / 2, (this.height - this.flat.h * s) / 2, s, quick);
  }

  // The beginning of the graph, in letters that can be read.
  start(quick) {
    const s = Math.max(0.55, Math.min(1, (this.width - 40) / this.flat.w));
    const first = this.flat.nodes[0];
    const middle = this.flat.w * s <= this.width - 20 ? this.flat.w / 2 : first ? first.x + first.w / 2 : 0;
    this.moveTo(this.width / 2 - middle * s, 24, s, quick);
  }

  centre(key, quick) {
    const on = this.at.get(key);
    if (!on) return;
    const height = this.height - this.app.covered(this);
    const s = Math.max(this.scale, 0.7), high = Math.min(on.h, height / s - 80);
    this.moveTo(this.width / 2 - (on.x + on.w / 2) * s, height / 2 - (on.y + high / 2) * s, s, quick);
  }

  bringIn(key) {
    const on = this.at.get(key), s = this.scale;
    if (!on) return;
    const height = this.height - this.app.covered(this);
    const x = on.x * s + this.x, y = on.y * s + this.y, pad = 40;
    const high = Math.min(on.h * s, height - 2 * pad), wide = Math.min(on.w * s, this.width - 2 * pad);
    let dx = 0, dy = 0;
    if (x < pad) dx = pad - x; else if (x + wide > this.width - pad) dx = this.width - pad - wide - x;
    if (y < pad) dy = pad - y; else if (y + high > height - pad) dy = height - pad - high - y;
    if (s < 0.5) return this.centre(key);
    if (dx || dy) this.moveTo(this.x + dx, this.y + dy, s);
  }

  // ---- choosing ----

  select(key, quiet) {
    this.selected = key && this.at.has(key) ? key : null;
    this.near = null;
    if (this.selected) {
      this.near = new Set();
      for (const l of this.flat.lines) if (this.owner(l) === key) this.near.add(l.s);
      const rows = this.rowsOf(key);
      for (const r of rows) if (this.model.users[r].some(u => !rows.has(u))) this.near.add(r);
    }
    this.redraw();
    if (!quiet) this.app.chosen(this);
  }

  owner(l) { return l.kid && (l.kid.row !== undefined ? "r" + l.kid.row : "g" + l.kid.group); }

  rowsOf(key) {
    if (key[0] === "r") return new Set([+key.slice(1)]);
    const g = +key.slice(1), out = new Set();
    for (const row of this.model.rows) {
      for (let up = row.g; up > 0; up = this.model.groups[up].up) {
        if (up === g) {
          out.add(row.id);
          break;
        }
      }
    }
    return out;
  }

  show(row) {
    this.model.reveal(row);
    this.relayout();
    this.select("r" + row);
    this.centre("r" + row);
  }

  toggle(g) {
    const open = !this.model.open.has(g), was = this.at.get("g" + g);
    const x = was.x * this.scale + this.x, y = was.y * this.scale + this.y, w = was.w * this.scale;
    this.model.fold(g, open);
    this.relayout();
    const now = this.at.get("g" + g); // its top stays where it was on the screen
    this.x = x + w / 2 - (now.x + now.w / 2) * this.scale;
    this.y = y - now.y * this.scale;
    this.limits();
    this.select("g" + g);
    this.app.folded(this, g, open);
  }

  // The nearest thing seen in a direction: along the lines up and down, beside it left and right.
  step(direction) {
    const on = this.selected && this.at.get(this.selected);
    if (!on) {
      const first = this.flat.nodes[0];
      if (first) this.go(first);
      return;
    }
    const frame = this.selected[0] === "g" && this.model.open.has(+this.selected.slice(1));
    const cx = on.x + on.w / 2, cy = on.y + (frame ? 0 : on.h / 2);
    let best = null, least = Infinity;
    const things = frame && direction === "down" ? this.flat.nodes.filter(n => n.y >= on.y && n.y < on.y + on.h)
      : this.flat.nodes;
    for (const n of things) {
      if (n === on) continue;
      const x = n.x + n.w / 2, y = n.y + n.h / 2, dx = x - cx, dy = y - cy;
      let cost;
      if (direction === "down" || direction === "up") {
        const ahead = direction === "down" ? dy : -dy;
        if (ahead <= 4) continue;
        const linked = this.linked(on, n, direction);
        cost = ahead + 2 * Math.abs(dx) - (linked ? 1e6 : 0);
      } else {
        const ahead = direction === "right" ? dx : -dx;
        if (ahead <= 4 || Math.abs(dy) > Math.max(on.h, n.h) / 2 + 30) continue;
        cost = ahead + 3 * Math.abs(dy);
      }
      if (cost < least) {
        least = cost;
        best = n;
      }
    }
    if (best) this.go(best);
  }

  linked(on, n, direction) {
    const a = direction === "down" ? on : n, b = direction === "down" ? n : on;
    const rows = this.rowsOf(a.row !== undefined ? "r" + a.row : "g" + (a.group ?? 0));
    const users = this.rowsOf(b.row !== undefined ? "r" + b.row : "g" + (b.group ?? 0));
    for (const u of users) if (this.model.rows[u].inputs.some(i => rows.has(i))) return true;
    return false;
  }

  go(n) {
    const key = n.row !== undefined ? "r" + n.row : "g" + n.group;
    this.select(key);
    this.bringIn(key);
  }

  hit(px, py) {
    const x = (px - this.x) / this.scale, y = (py - this.y) / this.scale;
    for (const n of this.flat.nodes) {
      if (x >= n.x && x <= n.x + n.w && y >= n.y && y <= n.y + n.h) {
        return {key: n.row !== undefined ? "r" + n.row : "g" + n.group, group: n.group, handle: n.group !== undefined && x < n.x + 24};
      }
    }
    let found = null;
    for (const f of this.flat.frames) {
      if (x >= f.x && x <= f.x + f.w && y >= f.y && y <= f.y + FRAME.top && (!found || f.depth > found.depth)) {
        found = {key: "g" + f.group, group: f.group, depth: f.depth, handle: x < f.x + 24};
      }
    }
    return found;
  }

  events() {
    const canvas = this.canvas;
    const at = e => {
      const box = canvas.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", e => {
      canvas.setPointerCapture(e.pointerId);
      this.pointers.set(e.pointerId, at(e));
      this.pressed = {at: at(e), moved: false};
      this.app.use(this);
    });
    canvas.addEventListener("pointermove", e => {
      const now = at(e), was = this.pointers.get(e.pointerId);
      if (!was) {
        const hit = this.hit(...now), key = hit ? hit.key : null;
        canvas.style.cursor = hit ? "pointer" : "grab";
        if (key !== this.hover) {
          this.hover = key;
          this.redraw();
        }
        return;
      }
      if (this.pointers.size === 1) {
        const far = Math.hypot(now[0] - this.pressed.at[0], now[1] - this.pressed.at[1]);
        if (far > 4) this.pressed.moved = true;
        if (this.pressed.moved) {
          canvas.style.cursor = "grabbing";
          this.pan(now[0] - was[0], now[1] - was[1]);
        }
      } else {
        this.pressed.moved = true;
        const other = [...this.pointers].find(([id]) => id !== e.pointerId)[1];
        const before = Math.hypot(was[0] - other[0], was[1] - other[1]);
        const after = Math.hypot(now[0] - other[0], now[1] - other[1]);
        if (before > 10) this.zoom(after / before, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      }
      if (this.pressed.moved || this.pointers.size > 1) this.pointers.set(e.pointerId, now);
    });
    const up = e => {
      if (!this.pointers.delete(e.pointerId) || e.type === "pointercancel" || this.pressed.moved) return;
      const hit = this.hit(...at(e));
      if (hit && hit.handle) this.toggle(hit.group);
      else this.select(hit ? hit.key : null);
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("dblclick", e => {
      const hit = this.hit(...at(e));
      if (hit && hit.group !== undefined && !hit.handle) this.toggle(hit.group);
    });
    canvas.addEventListener("wheel", e => {
      e.preventDefault();
      const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? this.height : 1;
      if (e.ctrlKey || e.metaKey) this.zoom(Math.exp(-e.deltaY * unit * 0.0025), ...at(e));
      else if (e.shiftKey && !e.deltaX) this.pan(-e.deltaY * unit, 0);
      else this.pan(-e.deltaX * unit, -e.deltaY * unit);
    }, {passive: false});
    canvas.addEventListener("keydown", e => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const arrow = {ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right"}[e.key];
      const far = {up: [0, 80], down: [0, -80], left: [80, 0], right: [-80, 0]}[arrow];
      if (arrow && e.shiftKey) this.pan(...far);
      else if (arrow) this.step(arrow);
      else if (e.key === "PageDown") this.pan(0, -this.height * 0.8);
      else if (e.key === "PageUp") this.pan(0, this.height * 0.8);
      else if (e.key === "Home") this.start();
      else if (e.key === "End") this.moveTo(this.x, this.height - 40 - this.flat.h * this.scale, this.scale);
      else if (e.key === "Enter" || e.key === " ") {
        if (!this.selected) this.step("down");
        else if (this.selected[0] === "g") this.toggle(+this.selected.slice(1));
        else this.app.openPanel(true);
      } else if (e.key === "Backspace") {
        if (!this.selected) return;
        const g = this.selected[0] === "r" ? this.model.rows[+this.selected.slice(1)].g : this.model.groups[+this.selected.slice(1)].up;
        if (g > 0) {
          this.select("g" + g);
          this.bringIn("g" + g);
        }
      } else return;
      e.preventDefault();
    });
    canvas.addEventListener("focus", () => this.app.use(this));
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.redraw();
    });
  }
}

// White over yellow and red to dark: more is darker, in a dark page lighter.
function heated(v, dark) {
  const stops = dark ? [[34, 38, 46], [90, 42, 74], [190, 70, 60], [245, 170, 70]] : [[255, 255, 250], [254, 217, 130], [240, 110, 60], [150, 20, 45]];
  const at = Math.max(0, Math.min(1, v)) * 3, i = Math.min(2, Math.floor(at)), f = at - i;
  return `rgb(${stops[i].map((a, k) => Math.round(a + (stops[i + 1][k] - a) * f)).join(",")})`;
}
