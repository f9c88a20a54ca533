"""How the jobs of a sweep go.

May import: what the launchers may; rich, inside functions.

| question | module |
|---|---|
| status files completed by what the clusters say | ``look`` |
| one state of all that is known of a job | ``merge`` |
| the records, as data | ``entries`` |
| pipelines, a line each with their steps | ``pipelines`` |
| a table of them as text | ``table`` |
| a live table while they are waited for | ``live`` |
"""
