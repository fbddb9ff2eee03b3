"""What a person sees of a run: the live panel, the metrics, the report."""
