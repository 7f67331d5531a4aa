"""Runs in virtual time, on recorded curves: what a choice of sampler, stopper and workers would have cost."""
