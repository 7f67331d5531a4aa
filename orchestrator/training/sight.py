"""Which GPUs TensorFlow sees in this process."""

import os


def visible_gpus() -> list[str]:
    """Their models, or TensorFlow's names for them. Takes no memory of theirs."""
    from orchestrator.training.devices import QUIET

    os.environ.update(QUIET)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in gpus]
