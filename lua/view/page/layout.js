// Layers from top to bottom, for a small graph without circles.
//   nodes   [{w, h, l: how far from its left edge lines meet it (w / 2), top: it enters from above, bottom: it leaves
//           below}], every value goes to a later node
//   values  [{from, to: [node, …]}]: one line each, which splits where it is used
// Returns {w, h, x: [left edge], y: [top edge], lines: [{value, from, to (nodes, or -1 where a line only passes),
// x1, y1, y1b, x2, y2b, y2}]}: down from (x1, y1) to y1b, across to (x2, y2b), down to y2.
// Order in layers by barycentres (Sugiyama et al. 1981), places by Brandes and Köpf, 2001.
function layered(nodes, values) {
  const n = nodes.length;
  const rank = ranks(nodes, values);
  const left = nodes.map(node => node.l ?? node.w / 2), right = nodes.map((node, i) => node.w - left[i]), item = [...rank], segments = [];
  values.forEach((value, v) => {
    const last = Math.max(...value.to.map(to => rank[to])), chain = new Map([[rank[value.from], value.from]]);
    for (let r = rank[value.from] + 1; r < last; r++) {
      segments.push({value: v, a: chain.get(r - 1), b: item.length});
      chain.set(r, item.length);
      item.push(r);
      left.push(4);
      right.push(4);
    }
    for (const to of value.to) segments.push({value: v, a: chain.get(rank[to] - 1), b: to});
  });
  const layers = [];
  item.forEach((r, i) => (layers[r] = layers[r] || []).push(i));
  for (let r = 0; r < layers.length; r++) layers[r] = layers[r] || [];
  const above = item.map(() => []), below = item.map(() => []);
  for (const s of segments) {
    above[s.b].push(s.a);
    below[s.a].push(s.b);
  }
  order(layers, above, below, segments, item);
  const x = across(layers, above, below, left, right, i => i >= n);

  // Down: the height of each layer, and of what lies between.
  const bent = new Set();
  for (const s of segments) if (Math.abs(x[s.a] - x[s.b]) > 1) bent.add(item[s.a]);
  const top = [], high = [];
  let y = 0;
  layers.forEach((layer, r) => {
    top[r] = y;
    high[r] = Math.max(0, ...layer.map(i => i < n ? nodes[i].h : 0));
    y += high[r] + (r === layers.length - 1 ? 0 : bent.has(r) ? 36 : 24);
  });
  const yOf = i => top[item[i]] + (high[item[i]] - nodes[i].h) / 2;
  const [from, to] = item.length ? span(x, left, right) : [0, 0], at = i => x[i] - from;
  return {
    w: to - from, h: y, x: nodes.map((_, i) => at(i) - left[i]), y: nodes.map((_, i) => yOf(i)),
    lines: segments.map(s => {
      const ra = item[s.a], rb = item[s.b];
      return {
        value: s.value, from: s.a < n ? s.a : -1, to: s.b < n ? s.b : -1,
        x1: at(s.a), y1: s.a < n ? yOf(s.a) + nodes[s.a].h : top[ra], y1b: top[ra] + high[ra],
        x2: at(s.b), y2b: top[rb], y2: s.b < n ? yOf(s.b) : top[rb],
      };
    }),
  };
}

function ranks(nodes, values) {
  const rank = nodes.map(node => node.top ? 0 : -1), ports = nodes.some(node => node.top);
  const users = nodes.map(() => []), fed = nodes.map(() => false);
  for (const value of values) {
    for (const to of value.to) {
      users[value.from].push(to);
      fed[to] = true;
    }
  }
  nodes.forEach((node, i) => {
    if (rank[i] < 0) rank[i] = ports ? 1 : 0;
    for (const to of users[i]) rank[to] = Math.max(rank[to], rank[i] + 1);
  });
  // What needs nothing stands just above its first user.
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!fed[i] && !nodes[i].top && users[i].length) {
      rank[i] = Math.max(rank[i], Math.min(...users[i].map(to => rank[to])) - 1);
    }
  }
  const last = Math.max(0, ...nodes.map((node, i) => node.bottom ? 0 : rank[i]));
  nodes.forEach((node, i) => { if (node.bottom) rank[i] = Math.max(last + 1, rank[i]); });
  const most = Math.max(0, ...rank);
  nodes.forEach((node, i) => { if (node.bottom) rank[i] = most; });
  return rank;
}

function positions(layers) {
  const pos = [];
  for (const layer of layers) layer.forEach((i, k) => { pos[i] = k; });
  return pos;
}

function crossings(layers, segments, item) {
  const pos = positions(layers), by = layers.map(() => []);
  for (const s of segments) by[item[s.a]].push(s);
  let count = 0;
  for (const list of by) {
    if (list.length > 120) continue;
    for (let i = 0; i < list.length; i++) {
      for (let k = i + 1; k < list.length; k++) {
        if ((pos[list[i].a] - pos[list[k].a]) * (pos[list[i].b] - pos[list[k].b]) < 0) count++;
      }
    }
  }
  return count;
}

function order(layers, above, below, segments, item) {
  let best = crossings(layers, segments, item), kept = layers.map(layer => [...layer]);
  for (let sweep = 0; sweep < 6 && best > 0; sweep++) {
    const down = sweep % 2 === 0, pos = positions(layers);
    for (let k = 0; k < layers.length; k++) {
      const layer = layers[down ? k : layers.length - 1 - k], near = down ? above : below, key = new Map();
      layer.forEach((i, at) => {
        key.set(i, near[i].length ? near[i].reduce((sum, a) => sum + pos[a], 0) / near[i].length : at);
      });
      layer.sort((a, b) => key.get(a) - key.get(b));
      layer.forEach((i, at) => { pos[i] = at; });
    }
    const now = crossings(layers, segments, item);
    if (now < best) {
      best = now;
      kept = layers.map(layer => [...layer]);
    }
  }
  kept.forEach((layer, r) => { layers[r] = layer; });
}

function across(layers, above, below, left, right, passing) {
  const GAP = 22, found = [];
  for (const upward of [true, false]) {
    for (const leftward of [true, false]) {
      let list = layers.map(layer => leftward ? layer : [...layer].reverse());
      if (!upward) list = [...list].reverse();
      const near = upward ? above : below, pos = positions(list), root = left.map((_, i) => i), next = [...root];
      // Lines that only pass stay straight: nobody aligns across one.
      const straight = new Map();
      list.forEach((layer, r) => {
        if (!r) return;
        for (const i of layer) {
          if (passing(i)) for (const a of near[i]) if (passing(a)) straight.set(r, [...(straight.get(r) || []), [a, i]]);
        }
      });
      list.forEach((layer, r) => {
        let before = -1;
        for (const v of layer) {
          // With what is computed there rather than with a line that only passes: the way of most work is straight.
          const real = passing(v) ? [] : near[v].filter(w => !passing(w));
          const ws = [...(real.length ? real : near[v])].sort((a, b) => pos[a] - pos[b]);
          if (!ws.length) continue;
          for (const m of new Set([Math.floor((ws.length - 1) / 2), Math.ceil((ws.length - 1) / 2)])) {
            const w = ws[m];
            const barred = !(passing(v) && passing(w)) && (straight.get(r) || []).some(([a, b]) =>
              (pos[a] - pos[w]) * (pos[b] - pos[v]) < 0);
            if (next[v] === v && before < pos[w] && !barred) {
              next[w] = v;
              next[v] = root[v] = root[w];
              before = pos[w];
            }
          }
        }
      });
      found.push(compacted(list, root, leftward ? left : right, leftward ? right : left, GAP).map(x => leftward ? x : -x));
    }
  }
  // All four onto the narrowest; then between the middle two.
  const spans = found.map(xs => span(xs, left, right));
  let narrow = 0;
  spans.forEach((s, k) => { if (s[1] - s[0] < spans[narrow][1] - spans[narrow][0]) narrow = k; });
  const moved = found.map((xs, k) => {
    const by = k % 2 === 0 ? spans[narrow][0] - spans[k][0] : spans[narrow][1] - spans[k][1];
    return xs.map(x => x + by);
  });
  return left.map((_, i) => {
    const four = moved.map(xs => xs[i]).sort((a, b) => a - b);
    return (four[1] + four[2]) / 2;
  });
}

function span(xs, left, right) {
  let lo = Infinity, hi = -Infinity;
  xs.forEach((x, i) => {
    lo = Math.min(lo, x - left[i]);
    hi = Math.max(hi, x + right[i]);
  });
  return [lo, hi];
}

// Blocks of aligned things as far left as they go, then as far right as their right neighbours let them.
function compacted(list, root, left, right, gap) {
  const out = new Map(), into = new Map(), blocks = [];
  for (const layer of list) {
    layer.forEach((v, k) => {
      const b = root[v];
      if (!out.has(b)) {
        out.set(b, new Map());
        into.set(b, 0);
        blocks.push(b);
      }
      if (k) {
        const a = root[layer[k - 1]], apart = right[layer[k - 1]] + left[v] + gap;
        if (!out.get(a).has(b)) into.set(b, into.get(b) + 1);
        out.get(a).set(b, Math.max(out.get(a).get(b) || 0, apart));
      }
    });
  }
  const x = new Map(blocks.map(b => [b, 0])), ready = blocks.filter(b => !into.get(b)), sorted = [];
  while (ready.length) {
    const a = ready.pop();
    sorted.push(a);
    for (const [b, apart] of out.get(a)) {
      x.set(b, Math.max(x.get(b), x.get(a) + apart));
      into.set(b, into.get(b) - 1);
      if (!into.get(b)) ready.push(b);
    }
  }
  for (const a of sorted.reverse()) {
    let room = Infinity;
    for (const [b, apart] of out.get(a)) room = Math.min(room, x.get(b) - apart);
    if (room < Infinity) x.set(a, Math.max(x.get(a), room));
  }
  return root.map(b => x.get(b));
}
