"""Tables inside documents, made from records and never typed: marked blocks, and the way back from a cell."""
