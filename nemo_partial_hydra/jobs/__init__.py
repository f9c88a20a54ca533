"""The job store: frozen jobs, what they are made from, how one runs and how it went.

``layout`` names the files, ``job`` is job.yaml, ``status`` is status.json, ``claim`` lets one process run a job.
These, ``runner`` and ``start`` import nothing but the standard library and PyYAML (through ``yamltext``), so that they
work in an image that has neither Hydra nor OmegaConf; ``freezing`` needs OmegaConf.
"""
