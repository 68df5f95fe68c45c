"""What can be asked of a model and data, without knowing where they came from."""
