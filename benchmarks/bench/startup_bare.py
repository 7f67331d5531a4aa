"""What nobody can do without: Ray, an actor that imports TensorFlow, the data, and one epoch."""

import json
import sys

import ray


@ray.remote(num_cpus=1)
class Trainer:
    def __init__(self) -> None:
        import tensorflow as tf  # noqa: F401

    def train(self, configuration: dict[str, float]) -> None:
        from benchmarks.bench import startup_study

        (x, y), (x_val, y_val), *_ = startup_study.study.data()
        model = startup_study.build(configuration)
        batch_size = configuration["batch_size"]
        model.fit(x, y, batch_size, epochs=1, validation_data=(x_val, y_val), verbose=0)


if __name__ == "__main__":
    ray.init(log_to_driver=False, logging_level="ERROR")
    trainer = Trainer.remote()
    ray.get(trainer.train.remote(json.loads(sys.argv[1])))
