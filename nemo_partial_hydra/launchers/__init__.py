"""Freezing, submitting, following and retrying jobs.

May import: ``app`` and what it may import; Hydra, in ``freeze``, ``sweep`` and ``launch``; submitit, inside
functions.

| question | module |
|---|---|
| what are the launchers' settings, what changes them on a command line | ``settings``, ``arguments`` |
| what do the jobs of a sweep run: the recipe, or the app's function | ``payload`` |
| how is one config frozen, an app's, a sweep | ``freeze``, ``freeze_app``, ``sweep`` |
| which steps of a pipeline are shared, which settings has each | ``shared_steps``, ``step_settings`` |
| how are steps sent one behind the other | ``needs``, ``chain``, ``plans`` |
| which jobs does a command line name | ``selection`` |
| what do Hydra's launchers call, and ``nemo-hydra submit`` | ``launch``, ``send`` |
| what can go wrong before a submission | ``preflight`` |
| how are jobs claimed, submitted to any cluster, and recorded | ``claims``, ``submit``, ``records`` |
| what became of a submission that was cut off | ``adoption`` |
| send jobs as there comes room for them | ``follow`` |
| what would be submitted | ``dry_run`` |
| what is a cluster, and which are there | ``clusters`` |
| how does a job run in its container | ``container`` |
| what runs on the host around it | ``worker`` |
| how do jobs go, how is that shown | ``status`` |
| which error did a job raise | ``failure`` |
| wait for their ends, read their output | ``wait``, ``logs``, ``log_tail`` |
| which directories of code go with frozen jobs | ``code`` |
| cancel; retry, which jobs, with which settings | ``cancel``, ``retry``, ``eligible``, ``kept_settings`` |
| which attempt is the next one | ``attempts`` |
| an export that runs in an image | ``export_job`` |
| work on many jobs at once, and not too often | ``parallel`` |
"""
