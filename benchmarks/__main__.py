"""Run the whole speed suite: `make bench`."""

from benchmarks import data, layers, training, windows

windows.main()
data.main()
layers.main()
training.main()
