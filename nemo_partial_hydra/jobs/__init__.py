"""The job store: frozen jobs, what they are made from, how one runs and how it went.

``layout`` names the files, ``job`` is job.yaml, ``status`` is status.json, ``claim`` lets one process run a job,
``runner`` runs it. May import: the standard library and PyYAML (through ``dialect.yaml``), so that it works in an image
that has neither Hydra nor OmegaConf; ``launchers.freeze`` makes the jobs.
"""
