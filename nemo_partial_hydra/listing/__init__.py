"""Every path of a config: type, value, override, source.

May import: ``composition`` and what it may import; rich, in ``terminal``.

| question | module |
|---|---|
| what is one record | ``record`` |
| what holds for a path because of where it stands | ``frame`` |
| which records does a config have | ``walk`` |
| ``nph.paths`` | ``paths`` |
| what are they made from | ``source`` |
| which records has what a factory was given | ``factories`` |
| what set a value | ``provenance`` |
| config groups as records | ``groups`` |
| how is an override spelled | ``override_text`` |
| the columns of a table | ``columns`` |
| which object stands at several places | ``sharing`` |
| which of the records are shown | ``selection`` |
| table, tree, JSON, YAML as text | ``formats`` |
| one HTML page | ``html_page`` |
| recipes in a notebook | ``notebook`` |
| what do pages have in common | ``page_frame`` |
| colours and paging on a terminal | ``terminal`` |
| ``hydra/callbacks=cfg_paths`` | ``callback`` |
| what does the shell complete | ``completion`` |
| how do two recipes differ | ``diff`` |
| what does an argument of ``diff`` name | ``recipe_file`` |
"""
