"""Run the whole speed suite: `make bench`."""

from benchmarks import layers, training, windows

windows.main()
layers.main()
training.main()
