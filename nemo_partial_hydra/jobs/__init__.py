"""Frozen jobs: their files, and how one runs.

May import: ``runtime`` and what it may import. It runs in an image that has only Python and PyYAML: neither Hydra nor
OmegaConf here or below.

| question | module |
|---|---|
| where is which file of a job | ``layout`` |
| how is a directory entered, and a file opened, where others may write too | ``folders``, ``files`` |
| what is in ``job.yaml``; in very many of them, before the recipe | ``job``, ``heads`` |
| whose word is a record, and is it of this place | ``seal`` |
| what does a job of an app call; the hash of that, and of a recipe | ``app_call``, ``content_hash`` |
| what does a job name | ``job_names`` |
| what is in ``status.json`` | ``status`` |
| which process may run an attempt | ``claim`` |
| how are signatures made, and which does a runner accept | ``openssh``, ``signers`` |
| who has signed a job | ``signing`` |
| how do jobs of others become a sweep of one's own | ``copies`` |
| which id did a cluster give to a job, which task is this process | ``job_id`` |
| what does a frozen recipe leave open | ``placeholders`` |
| which step of a pipeline is a job, what does it wait for | ``step`` |
| how did the steps before it go, what did they give | ``steps_before`` |
| when, by whom, from which commit and packages was it frozen | ``metadata`` |
| how are a result and an error written | ``outcome`` |
| which signals end a job | ``signals`` |
| what do the other tasks of one job do | ``ranks`` |
| whose code is a directory's | ``ownership`` |
| where is code on ``sys.path``, here and in Pythons that a recipe starts | ``search_path``, ``children`` |
| how does one job run; one that is a recipe | ``runner``, ``recipe_call`` |
| how do the jobs of a directory run on this machine | ``run_here`` |
| what does the image's Python start | ``start`` |
"""
