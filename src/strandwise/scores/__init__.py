"""What a model is trained on and judged by: losses, metrics, and how sure a metric is."""
