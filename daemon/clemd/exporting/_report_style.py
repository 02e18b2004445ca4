"""How the report looks: one A4 page on paper, one column of cards on a screen."""

STYLE = """
:root { --ink: #1b1f24; --soft: #59626d; --line: #d5dae0; --paper: #fff;
  --ground: #eef0f3; --mind: #fff4d6; --mind-line: #d9a400; --ring: #0072b2;
  color-scheme: light; font: 15px/1.42 "Segoe UI", "Noto Sans", "DejaVu Sans",
  system-ui, sans-serif; color: var(--ink); background: var(--ground); }
* { box-sizing: border-box; }
body { margin: 1.2rem auto; padding: 1.2rem; max-width: 72rem; display: flex;
  flex-direction: column; gap: .8rem; background: var(--paper);
  border-radius: .5rem; }
header { color: #fff; padding: .8rem 1.1rem; border-radius: .4rem; }
header.accepted { background: #1e7a3c; }
header.review { background: #9a5c00; }
header.rejected { background: #aa1e24; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: 0; }
h2 { font-size: .82rem; margin: 0 0 .25rem; letter-spacing: .06em;
  text-transform: uppercase; color: var(--soft); }
header p { margin: .3rem 0 0; }
header .names { opacity: .9; overflow-wrap: anywhere; }
header .radius { font-size: 1.08rem; font-weight: 600; }
.next { padding: .5rem 1.1rem; border-left: .3rem solid currentColor; margin: 0; }
.next.accepted { color: #1e7a3c; } .next.review { color: #9a5c00; }
.next.rejected { color: #aa1e24; }
.next span { color: var(--ink); }
section p, section ul { margin: 0; overflow-wrap: anywhere; }
section ul { padding-left: 1.3rem; color: var(--soft); font-size: .92rem; }
.mind { background: var(--mind); border: 1px solid var(--mind-line);
  border-radius: .3rem; padding: .45rem .8rem; }
.mind ul { color: var(--ink); }
.pictures { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
.pictures.rejected { grid-template-columns: 1fr; }
.pictures.rejected img { max-height: 34rem; }
figure { margin: 0; display: flex; flex-direction: column; min-width: 0; }
figure img { display: block; width: 100%; object-fit: contain; }
figcaption { font-size: .86rem; color: var(--soft); margin-top: .25rem; }
figcaption i { display: inline-block; width: .8em; height: .8em; margin-left: .4em;
  vertical-align: -.06em; border-radius: .1em; }
figcaption b { color: var(--ink); }
.key { white-space: nowrap; }
.figures { display: grid; grid-template-columns: 1fr 1fr 12.5rem; gap: 1.2rem;
  align-items: start; }
.figures.two, .files { grid-template-columns: 1fr 1fr; }
.files { display: grid; gap: 1.2rem; }
.files p { margin: 0; font-size: .86rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; padding: .1rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--soft); white-space: nowrap;
  padding-right: .7rem; }
.files p.hash { color: var(--soft);
  font: .68rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.circle svg { display: block; width: 100%; height: auto; }
.circle p { font-size: .8rem; color: var(--soft); margin: .2rem 0 0; }
@media screen and (max-width: 46rem) {
  .pictures, .figures, .figures.two, .files { grid-template-columns: 1fr; }
}
@page { size: A4 portrait; margin: 9mm; }
@media print {
  :root { font-size: 8.2pt; background: none; }
  body { margin: 0; padding: 0; max-width: none; height: 278mm; gap: 2.2mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body > * { flex: none; }
  .pictures { flex: 0 1 auto; min-height: 60mm; gap: 2.2mm; overflow: hidden;
    grid-auto-rows: minmax(0, max-content); }
  figure { min-height: 0; }
  figcaption { flex: none; }
  figure img { flex: 0 1 auto; min-height: 0; }
  .figures { grid-template-columns: 1fr 1fr 36mm; gap: 4mm; }
  .files { gap: 4mm; }
  .pictures.rejected img { max-height: none; }
}
"""
