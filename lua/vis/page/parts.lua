--- What is shown of a number, by the family of the operation that made it.
return [==[
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
      const seen = l => l.filter(v => v >= 0), holes = l => l.some((v, i) => i && l[i - 1] >= 0 && v > l[i - 1] + 1);
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
          return `<td style="${style(c)}">${short(x)}</td>`;
        };
        table.innerHTML = `<tr><th></th><th>${esc(D.titles[0])}</th><th></th><th>${esc(D.titles[1])}</th><th></th>` +
          "<th>product</th></tr>" + chosen.map(i => `<tr><td>${D.one} ${D.names ? D.names[i] : i}</td>` +
          cell(v[i], most(v)) + "<td>×</td>" + cell(w[i], most(w)) + "<td>=</td>" + cell(products[i], top) +
          "</tr>").join("");
        const told = chosen.reduce((a, i) => a + products[i], 0);
        sums.push([`the ${chosen.length} ${D.one}s shown`, told]);
        const more = (D.names ? D.names.length : v.length) - chosen.length;
        if (D.others || more > 0) {
          sums.push(["all others", products.reduce((a, b) => a + b, 0) - told + (rest || 0)]);
        }
      }
      if (bias !== undefined) sums.push(["bias", bias]);
      return sums;
    };
  },

  chain() {
    if (D.around) {
      const r = row(D.around.title, []).r, scale = most(D.around.column);
      element("table", r, "list").innerHTML = D.around.names.map((name, i) => {
        const v = D.around.column[i];
        return `<tr><td>${esc(name)}</td><td style="${style(signed(v, scale))}">${short(v)}</td></tr>`;
      }).join("");
    }
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

]==]
