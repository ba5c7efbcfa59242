--- The page's map: pointed at, moved over by keys, slid over; and the sum.
return [==[
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
  const total = sums.reduce((a, s) => a + Number(s[1].toFixed(d)), 0);
  // the digits to which the two agree: the last ones are rounding's
  const less = [d, d - 1, d - 2].find(k => k >= 0 && total.toFixed(k) === value.toFixed(k))
    ?? Math.max(0, d - 1);
  $("sum").innerHTML = sums.map((s, i) => `<tr><td>${i ? "+" : ""}</td><td>${esc(s[0])}</td>` +
    `<td>${s[1].toFixed(d)}</td></tr>`).join("") +
    `<tr class="total"><td>=</td><td>the sum</td><td id="total">${total.toFixed(less)}</td></tr>` +
    `<tr><td></td><td>the model's own</td><td id="own">${value.toFixed(less)}</td></tr>`;
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
]==]
