"""What a target accepts, and whether a value fits.

May import: ``recipes`` and what it may import; the standard library, and ``docstring_parser`` for docs.

| question | module |
|---|---|
| what is a type, as data | ``types`` |
| does a value fit a type, and what does it become | ``convert`` |
| does a type accept all that another one does | ``compatible`` |
| what is a parameter, a signature | ``signature`` |
| what does a parameter hold by default | ``defaults`` |
| how is a signature read from a live target | ``introspect`` |
| which distribution does a package come from | ``distributions`` |
| how are signatures kept in a file, which targets does a file cover | ``snapshot`` |
| the entries of that file as JSON | ``snapshot_json`` |
| what changed since a snapshot | ``drift`` |
| what was a signature read from | ``origin`` |
| what does the source of a module import and read | ``module_code`` |
| which directories are the user's own, what lies in them | ``finding`` |
| when did this process begin | ``process_start`` |
| which signatures did earlier processes read | ``cache`` |
"""
