"""Real runs, disturbed at random moments, and what is left of them: nothing may be lost."""
