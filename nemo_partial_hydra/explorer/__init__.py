"""``--cfg-paths=browse``: a full-screen explorer of a config in the terminal; what it leaves is a command line.

May import: ``listing`` and what it may import; textual, in the modules that draw, all of which ``start`` imports last.

| question | module |
|---|---|
| which overrides does a command line have after an edit | ``edits`` |
| what does an edit of a path begin with, how is it completed | ``drafts`` |
| which paths stand below which | ``forest`` |
| which of them are shown | ``view`` |
| what does the explorer know and do, without a screen | ``model`` |
| how is a text laid out in cells | ``cells`` |
| the lines of a path, of its details, of the help | ``lines`` |
| the widget of the paths | ``tree`` |
| the widget of a text | ``pane`` |
| the line in which something is typed | ``prompt`` |
| a list from which one is chosen, a page to read | ``choice`` |
| which keys are there | ``keys`` |
| the screen, and what it shows | ``looking`` |
| what the keys change | ``screen`` |
| is the terminal still there | ``terminal`` |
| how does it start and end, and where not | ``start`` |
"""
