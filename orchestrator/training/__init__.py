"""What happens inside a worker: the part that knows TensorFlow, and neither Ray nor the brain.

`link`, `data` and `devices` import no TensorFlow; import the rest after `devices.prepare`.
"""
