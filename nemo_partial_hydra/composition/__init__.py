"""Recipes as Hydra configs, with Hydra's and OmegaConf's public API.

May import: ``jobs`` and what it may import; OmegaConf; Hydra, mostly inside functions.

| question | module |
|---|---|
| what differs between versions, what has no public API | ``compat`` |
| how are interpolations resolved within bounds | ``budget`` |
| what is a parameter's node in a config | ``nodes`` |
| to which nodes may files add keywords | ``keywords_node`` |
| what of a live object goes to another process | ``live_objects`` |
| what do nodes of lists and dicts say about themselves | ``flags`` |
| tree to config | ``encode`` |
| composed config to tree | ``decode`` |
| composed config to plain data, and back in another process | ``frozen_config`` |
| what is a factory given, and what makes the recipe of it | ``factory_call``, ``argument_nodes``, ``factory_node`` |
| which arguments does a recipe in a file refer to | ``kept_arguments`` |
| which recipes of a config did a factory make | ``factory_arguments`` |
| how does what was set get into a recipe that is made anew | ``changes`` |
| which nodes did nobody set | ``unset`` |
| what does ``hydra.utils.instantiate`` see of a config | ``for_instantiate`` |
| where do the new nodes of edits stand | ``edit_places`` |
| which steps has a pipeline, how does it run in one process | ``pipeline``, ``run_pipeline`` |
| what does a composed config make, by whose permissions | ``building`` |
| how does a YAML file get its types | ``typed`` |
| how are the dicts of files merged | ``file_dicts`` |
| how are YAML files with defaults lists served | ``yaml_files`` |
| what do files have Hydra itself make | ``hydra_settings`` |
| which recipes did Python code register | ``registry`` |
| how is the failure of a factory worded | ``failed_factory`` |
| what does the process of a launcher's job get of the app | ``handover`` |
| which names are keys of the app, not groups of a library | ``root_keys`` |
| which options does an app have from elsewhere than libraries | ``other_sources`` |
| how is a config composed outside of a run | ``compose`` |
| what is checked before anything is created | ``checks`` |
| what is refused in all files of a composition | ``refusals`` |
| how are the jobs of a sweep composed | ``job_configs`` |
| which overrides of a sweep can only its jobs take | ``fixed_overrides`` |
| the sweeper ``recipe`` | ``sweep`` |
| how is an exception worded | ``error_text`` |
| how is a name that is not there worded | ``unknown_names`` |
| how is a config or an option that is not there worded | ``missing_config`` |
| which imports that the cache of signatures has spared are needed all the same | ``late_imports`` |
| which modules are the app's own | ``app_modules`` |
"""
