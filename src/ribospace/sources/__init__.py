"""Where molecules come from: each source is an iterator of record batches (see `ribospace.records`)."""
