"""What a config may name: denied by default, allowed by the runner only.

May import: ``dialect`` and what it may import; of others the standard library only.

| question | module |
|---|---|
| what is allowed and denied by default, with the reason of each | ``rules`` |
| which names and dangerous arguments are in a recipe | ``scan`` |
| what does an object call itself, with all that is in it | ``objects`` |
| which environment variables must a file not set | ``environment`` |
| what do settings of Hydra have it call | ``settings`` |
| may one name be named, as far as it tells itself | ``names`` |
| may this be named; the report if not | ``policy`` |
"""
