"""Run the whole speed suite: `make bench`."""

from benchmarks import training, windows

windows.main()
training.main()
