"""What this process knows, and making objects from trees.

May import: ``libraries`` and what it may import; fiddle and nemo_run, inside functions.

| question | module |
|---|---|
| what are the settings of the ``nph.main`` app that runs | ``session`` |
| which signatures are known, from snapshots or live targets | ``signature_store`` |
| conversions with signatures, policy and validation | ``workspace`` |
| how does a tree become buildables or objects | ``construct`` |
| may this be called with these arguments | ``gate`` |
"""
