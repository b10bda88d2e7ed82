"""The assets, checks, jobs and schedules, one folder a concept."""
