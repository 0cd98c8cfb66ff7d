"""Writes the account of a run: tables, pictures and one offline page, from the files of its workdir alone.

`report.write_report(workdir)` writes the page; `tables.render_text(result)` returns the result tables for a terminal.
`files` holds the files of a workdir (docs/workdir.md).
"""
