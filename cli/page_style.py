"""How pages look: on white or nearly black, whatever the reader's system has, from a phone's width to a wide screen's.

On a narrow screen a table of pictures is turned: cells stand in the order of their columns, so that each column becomes a row, and
nothing must be pushed aside. On a phone, what is left of the rows' heads stands above each picture.
"""

from __future__ import annotations

MOST_COLUMNS = 8  # of a table of pictures

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1b1f; --faint: #66666f; --line: #e2e2e8; --tint: #f5f5f8;
        --accent: #b0264f; --bar: #f6d3dc }
@media (prefers-color-scheme: dark) {
  :root { --paper: #131316; --ink: #ececf0; --faint: #a0a0ab; --line: #303038; --tint: #1d1d22;
          --accent: #ff8fab; --bar: #5b2436 }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth }
body { margin: 0; padding: 2.5rem clamp(1rem, 3vw, 3rem) 4rem; background: var(--paper); color: var(--ink);
       font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Inter, "Helvetica Neue", Arial, sans-serif }
main, header, footer { max-width: 110rem; margin-inline: auto }
h1, h2, h3 { line-height: 1.2; letter-spacing: -.015em; text-wrap: balance }
h1 { font-size: clamp(1.7rem, 1.2rem + 2vw, 2.4rem); margin: 0 0 .6rem }
h2 { font-size: 1.45rem; margin: 3.2rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line) }
h3 { font-size: 1.08rem; margin: 2rem 0 .4rem }
p, ul { max-width: 72ch; margin: .5rem 0; text-wrap: pretty }
ul { padding-left: 1.2em }
a { color: var(--accent) }
code { font: .9em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
pre { padding: .8rem 1rem; background: var(--tint); border-radius: .4rem; overflow-x: auto }
pre code { overflow-wrap: normal }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; list-style: none; max-width: none }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line) }
footer, figcaption, caption, .faint { color: var(--faint); font-size: .9rem }
figure { margin: 1rem 0 }
figcaption { max-width: 72ch; margin: .5rem 0 }
img { display: block; max-width: 100%; height: auto; border-radius: 2px }
.beside { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; align-items: start }
.beside > * { margin-block: .5rem }
.named { white-space: nowrap }
.swatch { display: inline-block; width: .65em; height: .65em; margin-right: .35em; border-radius: 2px }
summary { cursor: pointer; width: fit-content; margin: 1rem 0; color: var(--accent); font-weight: 500 }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
caption { caption-side: top; text-align: left; padding-bottom: .3rem }
th { font-weight: 600; text-align: left }
.figures tbody th { white-space: nowrap }
.figures th, .figures td { padding: .28rem .9rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: middle }
.figures thead th { color: var(--faint); font-size: .85rem; font-weight: 500; vertical-align: bottom; padding-top: 0 }
.figures :is(th, td).right { text-align: right; white-space: nowrap }
.figures :is(th, td):last-child { padding-right: .2rem }
.figures td img { max-height: 4.5rem; max-width: none; width: auto }
.bar { display: block; min-width: 7rem; padding-inline: .4rem; border-radius: 2px;
       background: linear-gradient(to right, var(--bar) var(--share), transparent var(--share)) }
.pictures { border-spacing: .35rem; border-collapse: separate; margin-left: -.35rem; table-layout: fixed; width: 100%;
            max-width: calc(6.8rem + var(--columns) * 13.5rem) }
.pictures th { font-size: .92rem; line-height: 1.25; overflow-wrap: break-word }
.pictures th small { display: block; font-weight: 400; color: var(--faint); font-size: .8rem }
.pictures thead th { vertical-align: bottom }
.pictures thead :first-child, .pictures tbody th { width: 6.4rem }
.pictures img { width: 100% }
.pictures + .pictures { margin-top: .8rem }
@media (max-width: 60rem) {
  .pictures { display: grid; grid-template-columns: 5.4rem repeat(var(--rows), minmax(0, 1fr)); gap: .35rem; margin: 0;
              max-width: calc(5.4rem + var(--rows) * 16rem) }
  .pictures :is(thead, tbody, tr) { display: contents }
  .pictures :is(th, td) { padding: 0; width: auto !important }
  .pictures th { align-self: center; font-size: .82rem }
  .pictures tbody th { position: sticky; top: 0; z-index: 1; align-self: end; padding-block: .3rem; background: var(--paper) }
  .pictures + .pictures { margin-top: .35rem }
  .pictures + .pictures :is(thead td, tbody th) { display: none }
}
@media (max-width: 36rem) {
  .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)) }
  .pictures :is(thead td, tbody th) { display: none }
  .pictures thead th { grid-column: 1 / -1; margin-top: .7rem; font-size: 1rem }
  .pictures thead small { display: inline; margin-left: .5em }
  .pictures td::before { content: attr(data-row); font-size: .78rem; color: var(--faint) }
  .figures { font-size: .88rem }
  .figures th, .figures td { padding-right: .6rem }
  .figures td img { max-height: 3rem }
  .bar { min-width: 5rem }
}
@media print { body { padding: 0 } h2 { break-after: avoid } figure, tr { break-inside: avoid } }
"""
STYLE += "".join(f".pictures tr > :nth-child({place}) {{ order: {place} }}\n" for place in range(1, MOST_COLUMNS + 2))
