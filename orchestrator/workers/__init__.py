"""The part that knows Ray: a cluster, its resources, and a pool of warm workers that carry out assignments."""
