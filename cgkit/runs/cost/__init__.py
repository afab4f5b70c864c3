"""What a run costs: its time, memory and disk space, measured and forecast before it starts."""
