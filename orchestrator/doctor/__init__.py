"""`doctor`: is this cluster, or this machine, fit to train? Findings in, lines out; nothing is changed."""
