"""Run the whole speed suite: `make bench`."""

from benchmarks import architectures, chromosomes, data, labels, layers, training, waiting, windows

windows.main()
data.main()
labels.main()
waiting.main()
layers.main()
training.main()
architectures.main()
chromosomes.main()
