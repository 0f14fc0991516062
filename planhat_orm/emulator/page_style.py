"""How the emulator's pages look, on a desk and on a phone."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --ink: #3366cc; }
* { box-sizing: border-box; }
body { margin: 0; font: 14px/1.45 system-ui, sans-serif; }
header { padding: 12px 20px; border-bottom: 1px solid var(--line); }
header { display: flex; gap: 24px; align-items: baseline; flex-wrap: wrap; }
header h1 { font-size: 17px; margin: 0; }
main { display: grid; grid-template-columns: 190px minmax(0, 1fr); }
nav { border-right: 1px solid var(--line); padding: 12px 0; min-height: 90vh; }
nav a { display: flex; justify-content: space-between; padding: 3px 16px; text-decoration: none; color: inherit; }
nav a.here, nav a:hover { background: var(--soft); }
nav a.here { box-shadow: inset 3px 0 var(--ink); }
section { padding: 12px 20px; overflow-x: auto; }
h2 { font-size: 15px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { max-width: 320px; overflow-wrap: break-word; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); padding: 12px; overflow: auto; }
form { display: flex; gap: 10px; flex-wrap: wrap; align-items: end; margin: 10px 0; }
label { display: grid; gap: 2px; font-size: 12px; }
input, select, button { font: inherit; padding: 3px 6px; }
input { width: 110px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; }
dd { margin: 0; }
@media (max-width: 700px) {
  main { grid-template-columns: minmax(0, 1fr); }
  nav { border-right: 0; border-bottom: 1px solid var(--line); min-height: 0; display: flex; flex-wrap: wrap; }
  nav a { gap: 6px; padding: 6px 10px; }
  section { padding: 12px; }
  table, tbody, tr, td { display: block; }
  tr { padding: 6px 0; border-bottom: 1px solid var(--line); }
  tr.head, td:empty { display: none; }
  td { max-width: none; padding: 1px 0; border: 0; }
  td::before { content: attr(data-name) " "; display: inline-block; min-width: 90px; opacity: .65; }
}
.bad { color: #c0392b; font-weight: 600; }
.dim { opacity: .65; }
"""
