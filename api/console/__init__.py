"""The console: the service's pages for people, plain HTML made here, with a little JavaScript that they work without.

`pages.py` lists the paths, `guard.py` says who may open which, `site.py` makes the answers; the rest is one module for
each kind of page.
"""
