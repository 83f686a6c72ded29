"""Fusing many studies on Dask: pairing, workers, and the store that says what became of each study."""
