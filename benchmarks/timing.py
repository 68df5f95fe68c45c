"""Timing that can be compared: contenders take turns in one process, and the median counts."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def race(contenders: Mapping[str, Callable[[], object]], rounds: int = 15, warm_up: int = 3) -> dict[str, float]:
    """Return the median seconds of each contender, run in turn so that a drifting machine is fair to all."""
    for run in contenders.values():
        for _ in range(warm_up):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def show(title: str, rates: Mapping[str, float], unit: str, base: str) -> None:
    """Print rates, and how many times the base each is."""
    print(f"\n{title} ({unit}; {torch.get_num_threads()} threads)")
    width = max(map(len, rates))
    for name, rate in rates.items():
        print(f"  {name:<{width}}  {rate:>12,.0f}  {rate / rates[base]:>6.2f} x")
