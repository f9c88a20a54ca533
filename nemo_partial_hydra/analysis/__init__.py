"""What came of the jobs of sweeps: which values they had, what they returned and logged.

| question | module |
|---|---|
| which values differ between jobs, and what are they called | ``swept`` |
| what did a job return or log | ``metrics``, ``series`` |
| one record a job, sorted and chosen | ``records``, ``results`` |
| a table, CSV, JSON | ``formats`` |
| where does a value stand at an axis | ``axes`` |
| plots, heat maps, a line of time as SVG | ``plots`` |
| in which lines do two recipes differ | ``differences`` |
| a sweep as one page | ``report``, ``report_page`` |
"""
