"""What can be known to go wrong before anything is submitted.

May import: what the launchers may.

| question | module |
|---|---|
| all checks | ``check`` |
| the settings by themselves | ``values`` |
| image, executable and directories on this host | ``host`` |
| all findings in one error | ``report`` |
"""
