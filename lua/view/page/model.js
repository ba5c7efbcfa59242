// A graph as the file has it, with its modules as boxes in boxes: what lies where for what is unfolded.
const list = v => Array.isArray(v) ? v : [];
const FRAME = {side: 14, top: 30, bottom: 14};

const kinds = [
  ["attention", /attention|softmax|qkv/i], ["conv", /conv/i], ["norm", /norm|^bn|batch_?norm/i],
  ["pool", /pool|upsample|interpolate/i],
  ["act", /relu|gelu|silu|swish|sigmoid|tanh|elu|mish|softplus|hardtanh/i], ["linear", /linear|matmul|embed/i],
  ["drop", /drop|stochastic|identity/i], ["join", /^(add|sub|mul|div|concat|cat|stack)/i],
];

class Model {
  constructor(data, measure) {
    this.data = data;
    this.rows = list(data.rows).map((r, id) => ({...r, id, inputs: list(r.i).map(k => k - 1), g: r.g || 0}));
    for (const row of this.rows.filter(r => r.out)) {
      this.rows.push({id: this.rows.length, inputs: [row.id], p: "output", l: "", s: row.s, g: 0, end: true, n: 0, m: 0, z: 0});
    }
    this.groups = [{id: 0, p: data.at || "", c: data.model, l: "", up: -1}]
      .concat(list(data.groups).map((g, k) => ({...g, id: k + 1, up: g.up})));
    this.tensors = list(data.tensors);
    this.never = list(data.never);
    this.open = new Set([0]);
    this.users = this.rows.map(() => []);
    for (const g of this.groups) Object.assign(g, {kids: [], place: new Map(), flow: new Map(), rows: 0, n: 0, z: 0, m: 0, first: Infinity});
    for (const g of this.groups) g.depth = g.up < 0 ? 0 : this.groups[g.up].depth + 1;
    this.measure(measure);
    this.nest();
    this.flows();
  }

  static kind(row) {
    if (row.in || row.end) return "port";
    const name = row.c || row.o || row.l || "";
    for (const [kind, pattern] of kinds) if (pattern.test(name)) return kind;
    return "other";
  }

  // The name within the module around it.
  name(p, g) {
    const above = this.groups[g].p;
    if (above && p.startsWith(above + ".")) return p.slice(above.length + 1);
    return p;
  }

  measure(measure) {
    for (const row of this.rows) {
      row.kind = Model.kind(row);
      if (row.in || row.end) {
        row.title = row.in ? row.p || "input" : "output";
        row.sub = shape(row.s);
      } else if (row.f) {
        row.title = row.l;
        row.sub = "";
      } else {
        row.title = this.name(row.p, row.g);
        row.sub = row.l;
      }
      if (row.of > 1 && !row.in) row.title += ` (run ${row.r})`;
      const marks = (row.fr ? 18 : 0) + (row.bn ? 30 : 0);
      row.w = Math.round(Math.min(250, Math.max(row.sub ? 76 : 24, measure(row.title, true) + marks, measure(row.sub, false)) + 26));
      row.h = row.sub ? 42 : 28;
      if (row.in || row.end) row.h = 38;
    }
    for (const g of this.groups) {
      g.title = g.up < 0 ? g.c : this.name(g.p, g.up) + (g.r > 1 ? ` (run ${g.r})` : "");
      g.titleWide = measure(g.title, true);
      g.classWide = measure(g.c, false);
    }
    this.measured = measure;
  }

  nest() {
    const put = (g, kid, key) => {
      this.groups[g].place.set(key, this.groups[g].kids.length);
      this.groups[g].kids.push(kid);
    };
    const seen = new Set([0]);
    for (const row of this.rows) {
      const up = [];
      for (let g = row.g; g >= 0; g = this.groups[g].up) up.push(g);
      for (const g of up.slice().reverse()) {
        if (!seen.has(g)) {
          seen.add(g);
          put(this.groups[g].up, {group: g}, "g" + g);
        }
        const group = this.groups[g];
        if (!row.in && !row.end) {
          group.rows++;
          group.n += row.n || 0;
          group.z += row.z || 0;
          group.m += row.m || 0;
          group.frozen = (group.frozen ?? true) && !!row.fr;
          group.eval = group.eval || !!row.bn;
          group.s = row.s;
          group.last = row.id;
          group.first = Math.min(group.first, row.id);
        }
      }
      put(row.g, {row: row.id}, "r" + row.id);
    }
    for (const g of this.groups) {
      g.sub = `${g.c} · ${count(g.rows)} row${g.rows === 1 ? "" : "s"}`;
      g.w = Math.round(Math.min(250, Math.max(96, g.titleWide + 40, this.measured(g.sub, false) + 16) + 16));
      g.h = 46;
    }
  }

  // Each value at each level: between which of a module's parts it goes, whether it comes from above or leaves below.
  flows() {
    const flow = (g, s) => {
      const f = this.groups[g].flow;
      if (!f.has(s)) f.set(s, {from: -1, to: new Set(), out: false});
      return f.get(s);
    };
    const up = g => this.groups[g].up, depth = g => this.groups[g].depth;
    for (const row of this.rows) {
      for (const s of row.inputs) {
        this.users[s].push(row.id);
        let a = this.rows[s].g, b = row.g, ka = "r" + s, kb = "r" + row.id;
        while (a !== b) {
          if (depth(a) >= depth(b)) {
            const f = flow(a, s);
            f.from = this.groups[a].place.get(ka);
            f.out = true;
            ka = "g" + a;
            a = up(a);
          } else {
            flow(b, s).to.add(this.groups[b].place.get(kb));
            kb = "g" + b;
            b = up(b);
          }
        }
        const f = flow(a, s);
        f.from = this.groups[a].place.get(ka);
        f.to.add(this.groups[a].place.get(kb));
      }
    }
  }

  // Where the parts of an unfolded module lie in it; kept until a fold in it changes.
  layout(g) {
    const group = this.groups[g];
    if (group.laid) return group.laid;
    const nodes = group.kids.map(kid => {
      if (kid.row !== undefined) return {w: this.rows[kid.row].w, h: this.rows[kid.row].h};
      if (!this.open.has(kid.group)) return {w: this.groups[kid.group].w, h: this.groups[kid.group].h};
      const inside = this.layout(kid.group);
      return {w: inside.w, h: inside.h, l: inside.l};
    });
    const values = [], sources = [], ins = [], outs = [];
    const shift = [...group.flow].filter(([, f]) => f.from < 0).length;
    const all = [];
    for (const [s, f] of group.flow) {
      if (f.from < 0) {
        ins.push({s, k: all.length});
        all.push({w: 8, h: 0, top: true});
      }
    }
    all.push(...nodes);
    let k = 0;
    for (const [s, f] of group.flow) {
      const to = [...f.to].map(i => i + shift);
      if (f.out) {
        outs.push({s, k: all.length});
        to.push(all.length);
        all.push({w: 8, h: 0, bottom: true});
      }
      if (to.length) {
        values.push({from: f.from < 0 ? ins[k].k : f.from + shift, to});
        sources.push(s);
      }
      if (f.from < 0) k++;
    }
    const l = layered(all, values), root = g === 0;
    const side = root ? 0 : FRAME.side, top = root ? 0 : FRAME.top, bottom = root ? 0 : FRAME.bottom;
    const width = Math.max(l.w, root ? 0 : Math.min(260, group.titleWide + group.classWide + 30)), dx = side + (width - l.w) / 2;
    const laid = {w: width + 2 * side, h: l.h + top + bottom, ins: new Map(), outs: new Map(), kids: [], lines: []};
    for (const port of ins) laid.ins.set(port.s, l.x[port.k] + 4 + dx);
    for (const port of outs) laid.outs.set(port.s, l.x[port.k] + 4 + dx);
    laid.l = [...laid.ins.values()][0] ?? [...laid.outs.values()][0] ?? laid.w / 2;
    nodes.forEach((node, i) => laid.kids.push({x: l.x[i + shift] + dx, y: l.y[i + shift] + top, w: node.w, h: node.h}));
    // At the edge of an unfolded part a line goes on where it does inside.
    const port = (i, s, side_) => {
      const kid = group.kids[i];
      if (!kid || kid.group === undefined || !this.open.has(kid.group)) return null;
      const x = this.layout(kid.group)[side_].get(s);
      return x === undefined ? null : laid.kids[i].x + x;
    };
    for (const line of l.lines) {
      const s = sources[line.value], a = line.from - shift, b = line.to - shift;
      const x1 = line.from >= 0 && port(a, s, "outs"), x2 = line.to >= 0 && port(b, s, "ins");
      const source = group.kids[a];
      const told = source && (source.row !== undefined || !this.open.has(source.group)); // its shape is written here
      const leaves = line.to >= shift + nodes.length, enters = line.from >= 0 && line.from < shift;
      laid.lines.push({
        s, told, x1: typeof x1 === "number" ? x1 : line.x1 + dx, x2: typeof x2 === "number" ? x2 : line.x2 + dx,
        y1: enters ? 0 : line.y1 + top, y1b: line.y1b + top, y2b: line.y2b + top,
        y2: leaves ? laid.h : line.y2 + top, kid: b >= 0 && b < nodes.length ? group.kids[b] : null,
      });
    }
    group.laid = laid;
    return laid;
  }

  // All that is seen, in the page's coordinates.
  flat() {
    const nodes = [], frames = [], lines = [];
    const go = (g, x, y) => {
      const laid = this.layout(g), group = this.groups[g];
      if (g) frames.push({group: g, x, y, w: laid.w, h: laid.h, depth: group.depth});
      group.kids.forEach((kid, i) => {
        const at = laid.kids[i];
        if (kid.group !== undefined && this.open.has(kid.group)) go(kid.group, x + at.x, y + at.y);
        else nodes.push({...kid, x: x + at.x, y: y + at.y, w: at.w, h: at.h});
      });
      for (const l of laid.lines) {
        lines.push({...l, x1: l.x1 + x, x2: l.x2 + x, y1: l.y1 + y, y1b: l.y1b + y, y2b: l.y2b + y, y2: l.y2 + y});
      }
    };
    go(0, 0, 0);
    const laid = this.layout(0);
    return {nodes, frames, lines, w: laid.w, h: laid.h};
  }

  // Backward stops at a row, and there is something in front of it that it does not reach.
  stops(row) { return !!row.stop && row.inputs.some(i => !this.rows[i].in); }

  forget(g) { for (; g >= 0; g = this.groups[g].up) this.groups[g].laid = null; }

  fold(g, open) {
    if (!g) return;
    if (open) this.open.add(g); else this.open.delete(g);
    this.forget(g);
  }

  foldAll(open) {
    for (const g of this.groups) {
      g.laid = null;
      if (g.id && open) this.open.add(g.id); else if (g.id) this.open.delete(g.id);
    }
  }

  // Unfolds from the outside in, as long as there is not too much to see at once.
  unfoldSome(most) {
    this.foldAll(false);
    let seen = this.groups[0].kids.length, level = [...this.groups[0].kids];
    for (;;) {
      const inner = level.filter(kid => kid.group !== undefined);
      const more = inner.reduce((sum, kid) => sum + this.groups[kid.group].kids.length - 1, 0);
      if (!inner.length || seen + more > most) break;
      for (const kid of inner) this.open.add(kid.group);
      seen += more;
      level = inner.flatMap(kid => this.groups[kid.group].kids);
    }
    // What stands alone in a model (a whole network in one module) is opened in any case.
    const first = this.groups[0].kids.filter(kid => kid.group !== undefined);
    if (first.length === 1 && !this.open.has(first[0].group)) this.open.add(first[0].group);
    for (const g of this.groups) g.laid = null;
  }

  reveal(row) { for (let g = this.rows[row].g; g > 0; g = this.groups[g].up) if (!this.open.has(g)) this.fold(g, true); }

  // What is seen of a row: itself, or the outermost folded module around it.
  seen(row) {
    let key = {row}, found = key;
    for (let g = this.rows[row].g; g > 0; g = this.groups[g].up) if (!this.open.has(g)) found = {group: g};
    return found;
  }
}

function count(n) { return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ","); }
function short(n) {
  for (const [size, unit] of [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " K"]]) {
    if (n >= size * 0.9995) {
      const v = n / size;
      return (v >= 99.95 ? v.toFixed(0) : v >= 9.995 ? v.toFixed(1) : v.toFixed(2)) + unit;
    }
  }
  return String(Math.round(n));
}
function shape(s) { return list(s).length ? list(s).join("×") : ""; }
function number(v) { return typeof v === "number" ? String(Number(v.toPrecision(4))) : String(v); }
