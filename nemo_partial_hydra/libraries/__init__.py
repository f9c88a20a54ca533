"""Recipe libraries: directories of config groups.

May import: ``policy`` and what it may import; of others the standard library only.

| question | module |
|---|---|
| what is in ``library.json`` | ``manifest`` |
| what is in one library | ``library`` |
| which libraries are in use, which one has an option | ``catalog`` |
"""
