"""The YAML of recipes: written, read, edited.

May import: ``signatures`` and what it may import; PyYAML.

| question | module |
|---|---|
| how is a scalar read and written | ``scalars`` |
| plain data to YAML and back, bounded | ``yaml`` |
| tree to plain data | ``writer`` |
| plain data to tree, validated | ``reader`` |
| which values of a recipe are arguments of its factory | ``kept_arguments`` |
| append, delete, replace | ``edits`` |
| what do recipes name of other steps of a pipeline | ``step_references`` |
| files of nemo_run and Megatron-Bridge | ``interop`` |
| a JSON Schema for editors | ``json_schema`` |
"""
