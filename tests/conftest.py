"""TensorFlow as all tests share it that use it in this process, whichever of them comes first."""

import pytest


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """One thread, so that sums have one order and runs can be compared; and CPUs that can stand for several GPUs."""
    import tensorflow as tf

    from orchestrator.training.devices import prepare

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    prepare(cpus=1, gpus=0)
