"""How the summary looks."""

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto;
  max-width: 1200px; padding: 0 1rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin-top: 2rem }
.figures { display: flex; flex-wrap: wrap; gap: .75rem }
.figures div { background: #f4f4f2; border-radius: 6px; padding: .6rem 1rem; min-width: 8rem }
.figures b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #ccc; padding: .25rem .6rem }
td { border-bottom: 1px solid #e6e6e6; padding: .2rem .6rem; overflow-wrap: anywhere }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.wide { width: 28% } .bar { height: 12px; border-radius: 2px; min-width: 1px }
td i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em }
svg { display: block; width: 160px; height: 32px }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 1rem }
figure { margin: 0 } img { width: 100%; height: 280px; object-fit: contain; background: #f4f4f2 }
figcaption { font-size: .8rem; color: #555; overflow-wrap: anywhere }
"""
