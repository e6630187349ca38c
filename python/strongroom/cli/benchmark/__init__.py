"""What `strongroom bench` measures, and what it makes of the figures.

`suite` runs everything. `buffers`, `files` and `messages` measure, in `rounds`; `place` and `facts` look at the directory
and the machine. `bounds` is pure: from figures to what bounds a row and what to change. `picture` draws.
"""
