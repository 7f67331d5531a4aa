"""How reports travel from workers to the driver: three ways side by side, in one Ray session.

    python benchmarks/transport.py [--actors N] [--rounds R]

A trial does nothing: one named call to an actor, which produces 10 reports. What is queued there is sent together.

* mailbox: workers push batches to one more actor, without waiting for it; the driver keeps one call of its `poll`
  outstanding.
* generator: one streaming generator per worker, which lives as long as the worker and yields batches.
* long poll: one call of `poll` outstanding per worker, which returns as soon as there is anything; then the next.

First table: as many trials as go, with 1 and with 4 train calls outstanding per worker. Second table: one report every
50 ms from each worker. Medians over the rounds, in which the ways take turns. Takes about a minute; no TensorFlow.
"""

import argparse
import asyncio
import contextlib
import statistics
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import ray

REPORTS = 10
PERIOD = 0.05
WARM_UP = 0.3
THROUGHPUT_SECONDS = 1.5
LATENCY_SECONDS = 2.0
BUDGET_SECONDS = 85.0

Report = dict[str, Any]


class Outbox:
    """What is queued until the sender takes all of it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.reports: list[Report] = []
        self.closed = False

    def put(self, report: Report) -> None:
        with self.changed:
            self.reports.append(report)
            self.changed.notify()

    def take(self, timeout: float | None = None) -> list[Report]:
        """Everything queued, as soon as there is anything; nothing when closed or out of time."""
        with self.changed:
            self.changed.wait_for(lambda: self.reports or self.closed, timeout)
            taken, self.reports = self.reports, []
            return taken

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify()


@ray.remote(num_cpus=0, concurrency_groups={"train": 1, "send": 1})
class Worker:
    def __init__(self, number: int) -> None:
        self.number = number
        self.outbox = Outbox()

    def ready(self) -> None:
        self.outbox = Outbox()

    def close(self) -> None:
        self.outbox.close()

    @ray.method(concurrency_group="train")
    def train(self, trial: int) -> None:
        for epoch in range(1, REPORTS + 1):
            self._report(trial, epoch)

    @ray.method(concurrency_group="train")
    def tick(self, count: int, delay: float) -> None:
        """One report every PERIOD."""
        time.sleep(delay)
        begin = time.monotonic()
        for epoch in range(1, count + 1):
            self._report(0, epoch)
            time.sleep(max(0.0, begin + epoch * PERIOD - time.monotonic()))

    @ray.method(concurrency_group="send")
    def push_to(self, mailbox: Any) -> None:
        push = mailbox.push.options(num_returns=0)
        while batch := self.outbox.take():
            push.remote(batch)

    @ray.method(concurrency_group="send")
    def stream(self) -> Any:
        while batch := self.outbox.take():
            yield batch

    @ray.method(concurrency_group="send")
    def poll(self, timeout: float) -> list[Report]:
        return self.outbox.take(timeout)

    def _report(self, trial: int, epoch: int) -> None:
        metrics = {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.5, "val_accuracy": 0.75}
        self.outbox.put(
            {"worker": self.number, "trial": trial, "epoch": epoch, "metrics": metrics, "created": time.time()}
        )


@ray.remote(num_cpus=0)
class Mailbox:
    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.filled = asyncio.Event()

    async def push(self, batch: list[Report]) -> None:
        self.reports += batch
        self.filled.set()

    async def poll(self, timeout: float) -> list[Report]:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.filled.wait(), timeout)
        self.filled.clear()
        taken, self.reports = self.reports, []
        return taken

    async def cpu(self) -> float:
        return time.process_time()


def ready_of(sources: list[Any], timeout: float) -> list[Any]:
    """All that are ready, as soon as one is."""
    first, others = ray.wait(sources, num_returns=1, timeout=timeout, fetch_local=False)
    if not first or not others:
        return list(first)
    more, _ = ray.wait(others, num_returns=len(others), timeout=0, fetch_local=False)
    return [*first, *more]


class ByMailbox:
    name = "mailbox"

    def __init__(self, workers: list[Any]) -> None:
        self.workers = workers
        self.mailbox = Mailbox.remote()
        self.call: Any = None

    def open(self) -> None:
        self.pushing = [worker.push_to.remote(self.mailbox) for worker in self.workers]
        self.call = self.mailbox.poll.remote(1.0)

    def receive(self, timeout: float) -> list[list[Report]]:
        if not ray.wait([self.call], timeout=timeout)[0]:
            return []
        done, self.call = self.call, self.mailbox.poll.remote(1.0)
        batch = ray.get(done)
        return [batch] if batch else []

    def close(self) -> None:
        ray.get(self.pushing)
        ray.get(self.call)

    def other_cpu(self) -> float:
        return float(ray.get(self.mailbox.cpu.remote()))


class ByGenerator:
    name = "generator"

    def __init__(self, workers: list[Any]) -> None:
        self.workers = workers
        self.streams: list[Any] = []

    def open(self) -> None:
        self.streams = [worker.stream.remote() for worker in self.workers]

    def receive(self, timeout: float) -> list[list[Report]]:
        return list(ray.get([next(stream) for stream in ready_of(self.streams, timeout)]))

    def close(self) -> None:
        for stream in self.streams:
            ray.get(list(stream))

    def other_cpu(self) -> float:
        return 0.0


class ByLongPoll:
    name = "long poll"

    def __init__(self, workers: list[Any]) -> None:
        self.workers = workers
        self.calls: dict[Any, Any] = {}

    def open(self) -> None:
        self.calls = {worker.poll.remote(1.0): worker for worker in self.workers}

    def receive(self, timeout: float) -> list[list[Report]]:
        done = ready_of(list(self.calls), timeout)
        for call in done:
            worker = self.calls.pop(call)
            self.calls[worker.poll.remote(1.0)] = worker
        return [batch for batch in ray.get(done) if batch]

    def close(self) -> None:
        ray.get(list(self.calls))

    def other_cpu(self) -> float:
        return 0.0


Way = ByMailbox | ByGenerator | ByLongPoll


@dataclass
class Meter:
    """What the driver received, and what it cost, since `start`."""

    way: Way
    batches: int = 0
    reports: int = 0
    trials: int = 0
    delays: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.batches = self.reports = self.trials = 0
        self.delays = []
        self.other = self.way.other_cpu()
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def count(self, batches: list[list[Report]]) -> list[Report]:
        """The reports that end a trial."""
        now = time.time()
        self.batches += len(batches)
        ended = []
        for batch in batches:
            self.reports += len(batch)
            for report in batch:
                self.delays.append(now - report["created"])
                if report["epoch"] == REPORTS:
                    ended.append(report)
        self.trials += len(ended)
        return ended

    def figures(self) -> dict[str, float]:
        seconds, cpu = time.perf_counter() - self.began, time.process_time() - self.cpu
        other = self.way.other_cpu() - self.other
        delays = sorted(self.delays)
        return {
            "trials/s": self.trials / seconds,
            "reports/s": self.reports / seconds,
            "reports/batch": self.reports / max(1, self.batches),
            "driver CPU s/1000": 1000 * cpu / max(1, self.reports),
            "mailbox CPU s/1000": 1000 * other / max(1, self.reports),
            "driver CPU share": cpu / seconds,
            "median ms": 1000 * statistics.median(delays),
            "p95 ms": 1000 * delays[int(0.95 * (len(delays) - 1))],
        }


def measure_throughput(way: Way, workers: list[Any], outstanding: int) -> dict[str, float]:
    """As many trials as go in THROUGHPUT_SECONDS, `outstanding` calls at each worker."""
    calls: dict[int, Any] = {}

    def submit(worker: int) -> None:
        trial = len(calls)
        name = f"trial-{trial} epochs 1-{REPORTS}"
        calls[trial] = workers[worker].train.options(name=name).remote(trial)

    def run(meter: Meter, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for report in meter.count(way.receive(1.0)):
                calls[report["trial"]] = None
                submit(report["worker"])

    meter = begin(way, workers)
    for _ in range(outstanding):
        for worker in range(len(workers)):
            submit(worker)
    run(meter, WARM_UP)
    meter.start()
    run(meter, THROUGHPUT_SECONDS)
    figures = meter.figures()
    ended = sum(call is None for call in calls.values())
    while ended < len(calls):
        ended += len(meter.count(way.receive(1.0)))
    end(way, workers)
    return figures


def measure_latency(way: Way, workers: list[Any]) -> dict[str, float]:
    """One report every PERIOD from each worker, the workers evenly apart."""
    meter = begin(way, workers)
    count = round((WARM_UP + LATENCY_SECONDS) / PERIOD)
    calls = [w.tick.remote(count, PERIOD * i / len(workers)) for i, w in enumerate(workers)]
    left = count * len(workers)
    until = time.perf_counter() + WARM_UP
    while time.perf_counter() < until:
        meter.count(way.receive(1.0))
    left -= meter.reports
    meter.start()
    while meter.reports < left:
        meter.count(way.receive(1.0))
    figures = meter.figures()
    ray.get(calls)
    end(way, workers)
    return figures


def begin(way: Way, workers: list[Any]) -> Meter:
    ray.get([worker.ready.remote() for worker in workers])
    way.open()
    meter = Meter(way)
    meter.start()
    return meter


def end(way: Way, workers: list[Any]) -> None:
    ray.get([worker.close.remote() for worker in workers])
    way.close()


Results = dict[tuple[str, str], list[dict[str, float]]]


def print_table(title: str, results: Results, columns: list[str]) -> None:
    print(f"\n{title}")
    print(f"{'way':<12}{'outstanding':>12}" + "".join(f"{column:>20}" for column in columns))
    for (way, outstanding), rounds in results.items():
        medians = [statistics.median(figures[column] for figures in rounds) for column in columns]
        print(f"{way:<12}{outstanding:>12}" + "".join(f"{value:>20,.3f}" for value in medians))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actors", type=int, default=8, help="workers (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds at most (default 3)")
    options = parser.parse_args()
    began = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    workers = [Worker.remote(number) for number in range(options.actors)]
    ways: list[Way] = [ByMailbox(workers), ByGenerator(workers), ByLongPoll(workers)]
    ray.get([worker.ready.remote() for worker in workers])
    print(f"{options.actors} workers, ready after {time.perf_counter() - began:.1f} s")
    throughput: Results = defaultdict(list)
    latency: Results = defaultdict(list)
    done, longest = 0, 0.0
    while done < options.rounds and time.perf_counter() - began + longest < BUDGET_SECONDS:
        round_began = time.perf_counter()
        for shift in range(len(ways)):
            way = ways[(done + shift) % len(ways)]
            for outstanding in (1, 4):
                throughput[way.name, str(outstanding)].append(measure_throughput(way, workers, outstanding))
            latency[way.name, "-"].append(measure_latency(way, workers))
        done, longest = done + 1, max(longest, time.perf_counter() - round_began)
    ray.shutdown()
    columns = [
        "trials/s",
        "reports/s",
        "reports/batch",
        "driver CPU s/1000",
        "mailbox CPU s/1000",
        "median ms",
        "p95 ms",
    ]
    print_table(f"trials that do nothing, {REPORTS} reports each (medians of {done} rounds)", throughput, columns)
    columns = ["median ms", "p95 ms", "driver CPU share", "driver CPU s/1000", "mailbox CPU s/1000"]
    print_table(f"one report every {1000 * PERIOD:.0f} ms from each worker", latency, columns)
    print(f"\n{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
