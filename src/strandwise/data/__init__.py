"""From tracks and intervals, or sets of sequences, to labelled windows and batches."""
