"""What there is to know of each node of a cluster: asked for by `doctor`, and of versions before each run."""
