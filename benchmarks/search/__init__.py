"""Every stopper and sampler of ours beside those of the peers, on recorded curves: `python -m benchmarks.search`."""
