// The page around the drawings: search, switches, keys, and the panel that tells of what is chosen.
const $ = id => document.getElementById(id);
function el(tag, fields, ...inside) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(fields || {})) {
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== undefined && v !== false) e.setAttribute(k, v);
  }
  e.append(...inside.filter(x => x !== null && x !== undefined && x !== false));
  return e;
}

class App {
  constructor(data) {
    this.data = data;
    this.frozen = this.evals = this.never = this.frontier = this.shapes = true;
    this.heat = "";
    this.linked = data.models.length > 1;
    this.colours = {};
    const dark = matchMedia("(prefers-color-scheme: dark)");
    this.theme(dark.matches);
    dark.addEventListener("change", () => this.theme(dark.matches));
    this.views = [];
    const stage = $("stage");
    data.models.forEach((model, k) => {
      const canvas = el("canvas", {tabindex: 0, role: "application", id: "canvas" + k,
        "aria-label": `Graph of ${model.model}: arrow keys walk along it, Enter unfolds, question mark lists all keys`});
      const pane = el("div", {class: "pane"}, canvas);
      if (data.models.length > 1) pane.append(el("div", {class: "who"}, `${k ? "second" : "first"}: ${model.model}`));
      stage.append(pane);
      const view = new View(canvas, model, this);
      view.index = k;
      this.views.push(view);
    });
    this.active = this.views[0];
    this.most = {
      m: Math.max(1, ...this.views.flatMap(v => v.model.rows.map(r => r.m || 0))),
      n: Math.max(1, ...this.views.flatMap(v => v.model.rows.map(r => r.n || 0))),
    };
    if (data.diff) this.compare();
    this.controls();
    this.overview();
    const sized = () => {
      for (const view of this.views) {
        const first = !view.width;
        view.resize();
        if (first) view.start(true);
        view.draw();
      }
    };
    new ResizeObserver(sized).observe(stage);
    sized();
    document.body.dataset.ready = "yes";
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of style.getPropertyValue("--names").trim().split(/\s+/)) this.colours[name] = style.getPropertyValue(name).trim();
    this.dark = style.getPropertyValue("--dark").trim() === "1";
  }

  redraw() { for (const view of this.views || []) view.redraw(); }

  say(text) { $("said").textContent = text; }

  // ---- two models ----

  // Rows of one kind at one place are the same row of two models.
  compare() {
    const keys = this.views.map(view => {
      const seen = new Map(), by = new Map();
      for (const row of view.model.rows) {
        const base = row.f ? row.p + "/" + (row.o || row.l) : row.in ? "in:" + row.p : row.p;
        const nth = (seen.get(base) || 0) + 1;
        seen.set(base, nth);
        row.key = base + "#" + nth;
        by.set(row.key, row);
      }
      return by;
    });
    this.byKey = keys;
    const values = new Map(list(this.data.diff.values).map(v => [v.name, v.max]));
    const shapes = new Set(list(this.data.diff.shapes).map(v => v.name));
    this.changes = [];
    this.views.forEach((view, k) => {
      const other = keys[1 - k];
      for (const row of view.model.rows) {
        const twin = other.get(row.key);
        if (row.end) { // it says again what its row says
          Object.assign(row, {twin: twin ? twin.id : -1, is: ""});
          continue;
        }
        row.twin = twin ? twin.id : -1;
        row.delta = 0;
        for (const t of list(row.t)) {
          const name = view.model.tensors[t - 1].n;
          if (values.has(name)) row.delta = Math.max(row.delta, values.get(name));
          if (shapes.has(name)) row.reshaped = true;
        }
        row.is = !twin ? (k ? "added" : "removed") : twin.l !== row.l || twin.c !== row.c || shape(twin.s) !== shape(row.s) || row.reshaped
          ? "changed" : row.delta ? "moved" : !!twin.fr !== !!row.fr || !!twin.bn !== !!row.bn ? "changed" : "";
        if (row.is && (k === 0 || row.is === "added")) this.changes.push({view: k, row: row.id, is: row.is, delta: row.delta});
      }
    });
    this.status = (view, row) => row.is;
    const rankOf = {removed: 4, added: 4, changed: 3, moved: 2};
    for (const view of this.views) {
      for (const row of view.model.rows) {
        for (let g = row.g; g > 0 && row.is; g = view.model.groups[g].up) {
          const group = view.model.groups[g];
          if (!group.is || rankOf[row.is] > rankOf[group.is]) group.is = row.is;
        }
      }
    }
    this.statusOfGroup = (view, g) => g.is;
  }

  twinKey(view, key) {
    const other = this.views[1 - view.index];
    if (key[0] === "r") {
      const twin = view.model.rows[+key.slice(1)].twin;
      return twin >= 0 ? other.model.seen(twin) : null;
    }
    const path = view.model.groups[+key.slice(1)].p;
    const g = other.model.groups.find(x => x.p === path && x.id);
    return g ? {group: g.id} : null;
  }

  // ---- what drawings tell ----

  use(view) { this.active = view; }

  chosen(view) {
    this.use(view);
    if (this.linked && view.selected) {
      const other = this.views[1 - view.index];
      const row = view.selected[0] === "r" ? view.model.rows[+view.selected.slice(1)].twin : -1;
      if (row >= 0 && other.model.seen(row).row === undefined) {
        other.model.reveal(row);
        other.relayout();
      }
      const twin = this.twinKey(view, view.selected);
      const key = twin && (twin.row !== undefined ? "r" + twin.row : "g" + twin.group);
      other.select(key, true);
      if (key && other.at.has(key)) other.bringIn(key);
    } else if (this.linked) this.views[1 - view.index].select(null, true);
    this.panel(view);
  }

  folded(view, g, open) {
    this.say(`${view.model.groups[g].title} ${open ? "unfolded" : "folded"}`);
    if (!this.linked) return;
    const other = this.views[1 - view.index], path = view.model.groups[g].p, run = view.model.groups[g].r;
    const twin = other.model.groups.find(x => x.id && x.p === path && x.r === run);
    if (twin && other.model.open.has(twin.id) !== open) {
      other.model.fold(twin.id, open);
      other.relayout();
    }
  }

  moved(view) {
    if (!this.linked || view !== this.active) return;
    const other = this.views[1 - view.index];
    if (!other || !other.width) return;
    // As far down the one as the other; the scale is the same.
    const part = ((view.height / 2 - view.y) / view.scale) / view.flat.h;
    other.scale = view.scale;
    other.y = other.height / 2 - part * other.flat.h * other.scale;
    other.x = other.width / 2 - other.flat.w * other.scale / 2 + (view.x - (view.width / 2 - view.flat.w * view.scale / 2));
    other.redraw();
  }

  // How much of a drawing's bottom the panel lies over, where it does.
  covered(view) {
    const panel = $("panel").getBoundingClientRect(), canvas = view.canvas.getBoundingClientRect();
    if (!panel.height || panel.left >= canvas.right || panel.top <= canvas.top + 100) return 0;
    return Math.max(0, canvas.bottom - panel.top);
  }

  // ---- controls ----

  controls() {
    const views = f => { for (const view of this.linked ? this.views : [this.active]) f(view); };
    const actions = {
      fold: () => views(v => { v.model.foldAll(false); v.relayout(); v.select(null, true); v.start(); }),
      unfold: () => views(v => { v.model.foldAll(true); v.relayout(); v.select(v.selected, true); v.limits(); }),
      fit: () => views(v => v.fit()),
      start: () => views(v => v.start()),
      in: () => this.active.zoom(1.3),
      out: () => this.active.zoom(1 / 1.3),
      theme: () => this.theme(!this.dark),
      help: () => $("keys").showModal(),
      panel: () => this.openPanel(document.body.dataset.panel !== "open"),
    };
    for (const [name, act] of Object.entries(actions)) {
      for (const button of document.querySelectorAll(`[data-do="${name}"]`)) button.addEventListener("click", act);
    }
    for (const button of document.querySelectorAll("[data-switch]")) {
      const name = button.dataset.switch;
      if (name === "linked" && this.views.length < 2) {
        button.hidden = true;
        continue;
      }
      const show = () => button.setAttribute("aria-pressed", name.startsWith("heat") ? this.heat === name.slice(5) : this[name]);
      button.addEventListener("click", () => {
        if (name.startsWith("heat")) this.heat = this.heat === name.slice(5) ? "" : name.slice(5);
        else this[name] = !this[name];
        for (const other of document.querySelectorAll("[data-switch]")) other.dispatchEvent(new Event("show"));
        if (!this.active.selected) this.overview();
        this.redraw();
      });
      button.addEventListener("show", show);
      show();
    }
    $("keys").addEventListener("click", e => { if (e.target === $("keys")) $("keys").close(); });
    $("shut").addEventListener("click", () => { this.openPanel(false); this.active.canvas.focus(); });
    this.searching();
    document.addEventListener("keydown", e => {
      if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
      const typing = e.target.closest("input, textarea");
      if (e.key === "Escape") {
        if ($("found").hidden === false) this.closeSearch();
        else if (this.active.selected) this.active.select(null);
        else this.openPanel(false);
        this.active.canvas.focus();
        return e.preventDefault();
      }
      if (typing) return;
      const act = {"[": "fold", "]": "unfold", "f": "fit", "0": "start", "+": "in", "=": "in", "-": "out", "t": "theme", "?": "help", "p": "panel"}[e.key];
      const named = {"1": "frozen", "2": "evals", "3": "never", "4": "frontier", "5": "shapes", "6": "heat:macs", "7": "heat:params", "8": "linked"}[e.key];
      if (act) actions[act]();
      else if (named) document.querySelector(`[data-switch="${named}"]`).click();
      else if (e.key === "/") $("search").focus();
      else return;
      e.preventDefault();
    });
    if (matchMedia("(min-width: 760px)").matches) document.body.dataset.panel = "open";
  }

  theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    this.readColours();
    this.redraw();
  }

  openPanel(open) {
    document.body.dataset.panel = open ? "open" : "";
    if (open && document.activeElement === this.active.canvas) $("panel").focus();
  }

  searching() {
    const input = $("search"), box = $("found");
    let at = -1, hits = [];
    const mark = () => {
      [...box.querySelectorAll("[role=option]")].forEach((o, i) => o.setAttribute("aria-selected", i === at));
      const on = box.querySelectorAll("[role=option]")[at];
      if (on) {
        on.scrollIntoView({block: "nearest"});
        input.setAttribute("aria-activedescendant", on.id);
      } else input.removeAttribute("aria-activedescendant");
    };
    const look = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      box.replaceChildren();
      at = -1;
      hits = [];
      box.hidden = !words.length;
      input.setAttribute("aria-expanded", String(!!words.length));
      if (!words.length) return;
      const inNames = [], elsewhere = []; // names come first
      const try_ = (view, key, name, label) => {
        const all = text => words.every(w => text.toLowerCase().includes(w));
        if (all(name)) inNames.push({view, key, name, label});
        else if (all(name + " " + label)) elsewhere.push({view, key, name, label});
      };
      this.views.forEach(view => {
        for (const g of view.model.groups) if (g.id) try_(view, "g" + g.id, g.p, g.c);
        for (const row of view.model.rows) if (!row.end) try_(view, "r" + row.id, row.f ? `${row.p}${row.p ? " · " : ""}${row.o || row.l}` : row.p, row.f ? "functional" : row.l);
        view.model.never.forEach((n, i) => try_(view, "n" + i, n.p, n.c + (n.t ? " runs in training only" : " never runs")));
      });
      const total = inNames.length + elsewhere.length;
      hits = inNames.concat(elsewhere).slice(0, 60);
      box.append(el("li", {class: "sum", role: "presentation"}, total ? `${count(total)} found${total > hits.length ? `, the first ${hits.length}` : ""}` : "nothing found"));
      hits.forEach((h, i) => box.append(el("li", {role: "option", id: "hit" + i, onmousedown: e => { e.preventDefault(); at = i; go(); }},
        el("b", {}, h.name), " ", el("span", {class: "dim"}, h.label), this.views.length > 1 && el("span", {class: "dim"}, h.view.index ? " · second" : " · first"))));
      if (hits.length) {
        at = 0;
        mark();
      }
    };
    const go = () => {
      const h = hits[at];
      if (!h) return;
      this.closeSearch();
      this.goTo(h.view, h.key);
      h.view.canvas.focus();
    };
    input.addEventListener("input", look);
    input.addEventListener("focus", () => { if (input.value) look(); });
    input.addEventListener("blur", () => { box.hidden = true; input.setAttribute("aria-expanded", "false"); });
    input.addEventListener("keydown", e => {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        if (hits.length) at = (at + (e.key === "ArrowDown" ? 1 : hits.length - 1)) % hits.length;
        mark();
      } else if (e.key === "Enter") go();
      else return;
      e.preventDefault();
    });
    this.closeSearch = () => {
      box.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.value = "";
      input.blur();
    };
  }

  goTo(view, key) {
    this.use(view);
    if (key[0] === "n") return this.neverPanel(view, view.model.never[+key.slice(1)]);
    if (key[0] === "r") return view.show(+key.slice(1));
    for (let g = view.model.groups[+key.slice(1)].up; g > 0; g = view.model.groups[g].up) view.model.fold(g, true);
    view.relayout();
    view.select(key);
    view.centre(key);
  }

  // ---- the panel ----

  panel(view) {
    if (!view.selected) return this.overview();
    const key = view.selected, id = +key.slice(1);
    if (key[0] === "r") this.rowPanel(view, view.model.rows[id]); else this.groupPanel(view, view.model.groups[id]);
    if (matchMedia("(min-width: 760px)").matches || document.body.dataset.panel === "open") document.body.dataset.panel = "open";
    else document.body.dataset.panel = "peek";
  }

  fill(title, kind, ...parts) {
    $("title").textContent = title;
    $("kind").textContent = kind;
    $("body").replaceChildren(...parts.filter(Boolean));
    $("panel").scrollTop = 0;
    this.say(`${title}, ${kind}`);
  }

  section(name, ...inside) {
    const some = inside.filter(Boolean);
    return some.length ? el("section", {}, el("h3", {}, name), ...some) : null;
  }

  facts(pairs) {
    const rows = pairs.filter(p => p && p[1] !== "" && p[1] !== undefined && p[1] !== null);
    return rows.length ? el("dl", {}, ...rows.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)])) : null;
  }

  badges(row, view) {
    const out = [];
    if (row.fr || row.frozen) out.push(el("span", {class: "badge ice"}, "❄ frozen"));
    if (row.bn) out.push(el("span", {class: "badge eval"}, "BatchNorm in eval"));
    if (row.f) out.push(el("span", {class: "badge"}, "functional: no module"));
    if (row.of > 1) out.push(el("span", {class: "badge"}, `run ${row.r} of ${row.of}`));
    if (view && view.model.stops(row)) out.push(el("span", {class: "badge front"}, "backward stops here"));
    if (row.is) out.push(el("span", {class: "badge " + row.is}, {added: "only in the second", removed: "only in the first", changed: "changed", moved: "other numbers"}[row.is]));
    return out.length ? el("p", {class: "badges"}, ...out) : null;
  }

  share(part, whole, words) {
    if (!whole) return null;
    const p = 100 * part / whole;
    return el("div", {class: "share", title: words}, el("span", {class: "bar"}, el("i", {style: `width:${Math.max(p, part ? 0.5 : 0)}%`})), el("span", {}, words),
      el("span", {class: "dim"}, p >= 0.05 || !part ? `${p.toFixed(1)} %` : "< 0.1 %"));
  }

  links(view, name, ids) {
    const unique = [...new Set(ids)];
    if (!unique.length) return null;
    return this.section(name, el("ul", {class: "links"}, ...unique.map(id => {
      const row = view.model.rows[id];
      const text = row.in ? row.title : row.end ? "output" : row.f ? (row.p ? row.p + " · " : "") + row.l : row.p;
      return el("li", {}, el("button", {onclick: () => this.goTo(view, "r" + id)}, text), " ", el("span", {class: "dim"}, shape(row.s)));
    })));
  }

  rowPanel(view, row) {
    const data = view.model.data;
    const twin = row.twin >= 0 ? this.views[1 - view.index].model.rows[row.twin] : null;
    const attrs = list(row.a).map(([k, v]) => {
      const before = twin && list(twin.a).find(x => x[0] === k);
      return [k, before && before[1] !== v ? `${v}  (the other: ${before[1]})` : v];
    });
    const seen = new Set();
    const tensors = list(row.t).filter(t => !seen.has(t) && seen.add(t)).map(t => this.tensor(view, view.model.tensors[t - 1], twin));
    this.fill(row.in || row.end ? row.title : row.p || data.model, row.f ? row.l : row.l || (row.end ? "what the model gives" : "what goes in"),
      this.badges(row, view),
      this.section("Shapes", this.facts([
        ...row.inputs.map((i, k) => [row.inputs.length > 1 ? `in ${k}` : "in", shape(view.model.rows[i].s)]),
        row.end ? null : ["out", shape(row.s)],
        ["activations", row.s && !row.end ? bytes(4 * list(row.s).reduce((a, b) => a * b, 1)) : ""],
        ["runs as", row.k || ""],
      ])),
      this.section("Attributes", this.facts(attrs)),
      row.n || row.m ? this.section("Cost", this.share(row.m || 0, data.macs, short(row.m || 0) + " MACs"), this.share(row.n || 0, data.params, count(row.n || 0) + " parameters"),
        row.z ? el("p", {class: "dim"}, row.z === row.n ? "none of them trains" : `${count(row.z)} of them do not train`) : null) : null,
      tensors.length ? this.section("Parameters and buffers", ...tensors) : null,
      this.links(view, "From", row.inputs), this.links(view, "To", view.model.users[row.id]));
  }

  tensor(view, t, twin) {
    const other = twin && this.views[1 - view.index].model.tensors.find(x => x.n === t.n);
    const delta = this.data.diff && list(this.data.diff.values).find(v => v.name === t.n);
    return el("div", {class: "tensor"},
      el("div", {}, el("b", {}, t.n.split(".").pop()), " ", el("span", {class: "dim"}, (shape(t.s) || "scalar") + (t.k ? (t.g ? "" : " · does not train") : " · buffer"))),
      t.h ? this.histogram(t, delta ? other : null) : null,
      this.facts([
        t.h ? ["range", `${number(t.lo)} … ${number(t.hi)}`] : null,
        t.mean !== undefined ? ["mean ± std", `${number(t.mean)} ± ${number(t.std)}`] : null,
        t.one !== undefined ? [t.c > 1 ? `all ${count(t.c)} are` : "value", number(t.one)] : null,
        t.bad ? ["not finite", el("span", {class: "warn"}, `${count(t.bad)} of ${count(t.c)}`)] : null,
        delta ? ["max |Δ|", number(delta.max)] : null,
      ]));
  }

  histogram(t, other) {
    const w = 260, h = 56, ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", `0 0 ${w} ${h + 12}`);
    svg.setAttribute("class", "histogram");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `histogram of ${count(t.c)} numbers from ${number(t.lo)} to ${number(t.hi)}`);
    const both = other && other.h ? [t, other] : [t], lo = Math.min(...both.map(x => x.lo)), hi = Math.max(...both.map(x => x.hi));
    const x = v => (v - lo) / (hi - lo || 1) * w;
    both.forEach((one, k) => {
      const counts = list(one.h), most = Math.max(...counts), each = (one.hi - one.lo) / counts.length;
      let d = `M${x(one.lo)} ${h}`;
      counts.forEach((c, i) => { d += `V${(h - h * c / most).toFixed(1)}H${x(one.lo + each * (i + 1)).toFixed(1)}`; });
      const path = document.createElementNS(ns, "path");
      path.setAttribute("d", d + `V${h}Z`);
      path.setAttribute("class", k ? "other" : "own");
      svg.append(path);
    });
    if (lo < 0 && hi > 0) {
      const zero = document.createElementNS(ns, "path");
      zero.setAttribute("d", `M${x(0)} 0V${h + 3}`);
      zero.setAttribute("class", "zero");
      svg.append(zero);
    }
    for (const [v, anchor, at] of [[lo, "start", 0], [hi, "end", w]]) {
      const text = document.createElementNS(ns, "text");
      text.setAttribute("x", at);
      text.setAttribute("y", h + 11);
      text.setAttribute("text-anchor", anchor);
      text.textContent = number(v);
      svg.append(text);
    }
    return svg;
  }

  groupPanel(view, g) {
    const data = view.model.data, open = view.model.open.has(g.id);
    this.fill(g.p || g.c, g.l && g.l !== g.c ? g.l : g.c,
      this.badges({frozen: g.frozen, bn: g.eval, is: g.is}),
      el("p", {}, el("button", {class: "wide", onclick: () => { view.toggle(g.id); }}, open ? "▾ Fold" : "▸ Unfold")),
      this.section("Inside", this.facts([["rows", count(g.rows)], ["parts", count(g.kids.length)], ["out", shape(g.s)]])),
      this.section("Cost", this.share(g.m, data.macs, short(g.m) + " MACs"), this.share(g.n, data.params, count(g.n) + " parameters"),
        g.z ? el("p", {class: "dim"}, g.z === g.n ? "none of them trains" : `${count(g.z)} of them do not train`) : null),
      this.section("Parts", el("ul", {class: "links"}, ...g.kids.slice(0, 200).map(kid => {
        const x = kid.row !== undefined ? view.model.rows[kid.row] : view.model.groups[kid.group];
        const key = kid.row !== undefined ? "r" + kid.row : "g" + kid.group;
        return el("li", {}, el("button", {onclick: () => { view.model.fold(g.id, true); view.relayout(); this.goTo(view, key); }}, x.title), " ", el("span", {class: "dim"}, x.sub || ""));
      }))));
  }

  neverPanel(view, n) {
    document.body.dataset.panel = "open";
    this.fill(n.p, n.l || n.c, el("p", {class: "badges"}, el("span", {class: "badge never"}, n.t ? "runs in training only" : "never runs")),
      el("p", {}, n.t ? "The forward pass calls it in training, not in eval." : "It is declared, and the forward pass does not call it."),
      this.section("Cost", this.facts([["parameters", count(n.n || 0)]])));
  }

  overview() {
    const view = this.active, data = view.model.data;
    if (this.data.diff) return this.diffOverview();
    const heavy = (key, name, words) => {
      const rows = view.model.rows.filter(r => r[key]).sort((a, b) => b[key] - a[key]).slice(0, 5);
      if (!rows.length) return null;
      return this.section(name, ...rows.map(r => el("div", {class: "heavy"}, el("button", {onclick: () => this.goTo(view, "r" + r.id)}, r.p || r.l),
        this.share(r[key], key === "m" ? data.macs : data.params, words(r[key])))));
    };
    const stops = view.model.rows.filter(r => view.model.stops(r));
    this.fill(data.model, `input ${list(data.inputs).map(shape).join(" and ")}`,
      data.error ? el("p", {class: "warn"}, data.error) : null,
      this.facts([["rows", count(data.ops)], ["parameters", count(data.params)], ["do not train", data.frozen ? count(data.frozen) : ""], ["MACs", short(data.macs)],
        ["weights", bytes(4 * data.params)]]),
      this.legend(view, stops),
      this.neverList(view),
      heavy("m", "Most multiply-adds", n => short(n)), heavy("n", "Most parameters", n => count(n)));
  }

  legend(view, stops) {
    const rows = view.model.rows, data = view.model.data, has = f => rows.some(f);
    const item = (cls, ...words) => el("li", {}, el("i", {class: "sign " + cls}), ...words);
    const frontier = this.frontier && data.trains;
    return this.section("Marks", el("ul", {class: "legend"},
      this.frozen && has(r => r.fr) ? item("ice", "frozen: nothing in it changes") : null,
      this.evals && has(r => r.bn) ? item("eval", "BatchNorm in eval: its statistics stand") : null,
      has(r => r.f) ? item("functional", "functional: runs, but is no module") : null,
      frontier ? item("gradient", "gradients flow here in training") : null,
      frontier && stops.length ? item("front", "backward stops: ", ...stops.slice(0, 3).flatMap((r, i) => [i ? ", " : "", el("button", {onclick: () => this.goTo(view, "r" + r.id)}, r.p || r.l)]),
        stops.length > 3 ? ` and ${stops.length - 3} more` : "") : null,
      this.frontier && !data.trains ? item("", "nothing trains: no parameter requires a gradient") : null));
  }

  neverList(view) {
    if (!this.never || !view.model.never.length) return null;
    return this.section("Never run", el("ul", {class: "links"}, ...view.model.never.slice(0, 60).map(n =>
      el("li", {}, el("button", {class: "never", onclick: () => this.neverPanel(view, n)}, n.p), " ", el("span", {class: "dim"}, n.c + (n.t ? ", in training only" : ""))))),
      view.model.never.length > 60 ? el("p", {class: "dim"}, `and ${count(view.model.never.length - 60)} more`) : null);
  }

  diffOverview() {
    const d = this.data.diff, words = {removed: "only in the first", added: "only in the second", changed: "changed", moved: "other numbers"};
    const sections = Object.keys(words).map(is => {
      const some = this.changes.filter(c => c.is === is).sort((a, b) => b.delta - a.delta);
      if (!some.length) return null;
      return this.section(`${words[is]} (${count(some.length)})`, el("ul", {class: "links"}, ...some.slice(0, 40).map(c => {
        const view = this.views[c.view], row = view.model.rows[c.row];
        return el("li", {}, el("i", {class: "sign " + is}), el("button", {onclick: () => this.goTo(view, "r" + c.row)}, row.f ? `${row.p} ${row.l}` : row.p || row.title), " ",
          el("span", {class: "dim"}, c.delta ? `max |Δ| ${number(c.delta)}` : row.l));
      })), some.length > 40 ? el("p", {class: "dim"}, `and ${count(some.length - 40)} more`) : null);
    });
    const totals = this.views.map(v => v.model.data);
    this.fill("Two models", totals.map(t => t.model).join(" and "),
      this.facts([["parameters", totals.map(t => count(t.params)).join("  ·  ")], ["MACs", totals.map(t => short(t.macs)).join("  ·  ")], ["tensors equal to the bit", count(d.same)]]),
      this.changes.length ? null : el("p", {}, "What runs is the same."), ...sections, this.neverList(this.active));
  }
}

function bytes(n) { return n < 1000 ? n + " B" : short(n).replace(/ ?([KMGT])$/, " $1B"); }

window.page = new App(JSON.parse($("data").textContent));
