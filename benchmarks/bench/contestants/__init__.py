"""Who takes part: each module has a `run(work, folder)` that does the work as the contestant's documentation shows."""
