--- What the page looks like, also on a narrow screen and a dark one.
return [==[
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
]==]
