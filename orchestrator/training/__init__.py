"""What happens inside a worker: the part that knows TensorFlow, and neither Ray nor the brain.

What `fit` needs imports TensorFlow: do so after `devices.prepare`. All that a loop of the user's own needs does not.
"""
