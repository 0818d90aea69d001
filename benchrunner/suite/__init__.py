"""A matrix of cases over many boards: planned, run in parallel, resumable, a row for every case."""
