"""A directory for the PYTHONPATH of Pythons that a recipe starts; no package to import from.

May import: the standard library only.

| question | module |
|---|---|
| what such a Python runs first | ``sitecustomize`` |
"""
