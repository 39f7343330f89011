"""Variables of the environment by which one process of a run tells another what it is."""

JOB_VARIABLE = "AGG2EXP_JOB"
"""The word of the job: processes that Lightning starts do not get it as an argument."""
