"""What came of the jobs of sweeps: which values they had, what they returned and logged.

| question | module |
|---|---|
| which values differ between jobs, and what are they called | ``swept`` |
| what did a job return or log | ``metrics``, ``series`` |
| one record a job, sorted and chosen | ``records`` |
| a table, CSV, JSON | ``formats`` |
"""
