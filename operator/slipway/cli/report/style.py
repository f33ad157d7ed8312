"""How the page looks: light, dark, on a telephone and on paper."""

from typing import Final

CSS: Final = """
:root { color-scheme: light dark; --back: #ffffff; --card: #f6f7f9; --text: #1c2128; --soft: #57606a; --edge: #d0d7de;
  --good: #116329; --bad: #b3261e; --wait: #8a5300; --line: #0550ae; --grid: #e4e8ec; --quiet: #57606a; }
@media (prefers-color-scheme: dark) { :root { --back: #0f1318; --card: #171c23; --text: #e6edf3; --soft: #9aa5b1;
  --edge: #30363d; --good: #56d364; --bad: #ff7b72; --wait: #e3b341; --line: #79c0ff; --grid: #262c34;
  --quiet: #9aa5b1; } }
@media print { :root { --back: #ffffff; --card: #ffffff; --text: #000000; --soft: #444444; --edge: #bbbbbb;
  --good: #116329;
  --bad: #b3261e; --wait: #8a5300; --line: #0550ae; --grid: #dddddd; --quiet: #444444; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
footer { color: var(--soft); font-size: .85rem; padding-bottom: 3rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--edge); padding-bottom: .3rem; }
h3 { font-size: 1.05rem; margin: 0 0 .4rem; display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
h4 { font-size: .9rem; margin: .9rem 0 .2rem; color: var(--soft); font-weight: 600; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
.lead { font-size: 1.08rem; }
.soft { color: var(--soft); }
.badge { display: inline-block; font-size: .82rem; font-weight: 600; line-height: 1.3; padding: .1rem .55rem;
  border: 1.5px solid currentColor; border-radius: 1rem; vertical-align: .15em; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
  .quiet { color: var(--quiet); }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: .6rem; padding: 1rem 1.1rem;
  margin: 0 0 1rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .5rem 1.25rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--edge); vertical-align: top;
  overflow-wrap: anywhere; }
td.time, th.time, td.number, th.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.number, th.number { text-align: right; }
td.long { min-width: 16rem; }
code, pre { font: .85em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; margin: .4rem 0; }
details { margin: .6rem 0 0; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
figure { margin: .5rem 0 0; }
figure.wide { overflow-x: auto; } figure.wide svg { min-width: 40rem; }
figcaption { font-size: .88rem; color: var(--soft); }
svg.chart { display: block; width: 100%; height: auto; max-width: 62rem; }
svg text { font-size: 12px; font-family: inherit; fill: var(--soft); }
svg .label { font-weight: 600; fill: currentColor; stroke: var(--card); stroke-width: 3px; paint-order: stroke; }
svg .grid { stroke: var(--grid); } svg .zero { stroke: var(--soft); }
svg .line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
svg .area { fill: currentColor; fill-opacity: .14; stroke: none; }
svg .whisker { stroke: currentColor; stroke-width: 9; stroke-opacity: .25; }
svg .level { stroke: currentColor; stroke-width: 1.4; stroke-dasharray: 6 4; }
svg .level.zero { stroke: var(--soft); stroke-dasharray: none; stroke-width: 1; }
svg .moment { stroke: currentColor; stroke-width: 1; stroke-dasharray: 2 3; }
svg .dot { fill: currentColor; } svg .estimate { color: var(--line); } svg .phase { stroke: var(--card);
  stroke-width: 1; }
svg rect.good, svg rect.bad, svg rect.wait, svg rect.quiet { fill: currentColor; fill-opacity: .28; }
svg text.inside { font-size: 11px; fill: var(--text); }
.bar { position: relative; height: .8rem; min-width: 7rem; background: var(--grid); border-radius: .2rem; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--line); border-radius: .2rem; }
.bar b { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--text); }
@media print { body { font-size: 11pt; } details:not([open]) { display: none; }
  .card, figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } }
@media (max-width: 34rem) { header { padding-top: 1.25rem; } svg text { font-size: 14px; }
  main, header, footer { padding-left: .9rem; padding-right: .9rem; }
  .card { padding: .8rem .75rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
@media (max-width: 52rem) {
  .stack thead { position: absolute; clip-path: inset(50%); } .stack tr { display: block; padding: .4rem 0; }
  .stack tr { border-bottom: 1px solid var(--edge); } .stack td { display: inline; border: 0; padding: 0 .5rem 0 0; }
  .stack td.long { display: block; } }
"""
"""No address in it, no font that has to be loaded."""
