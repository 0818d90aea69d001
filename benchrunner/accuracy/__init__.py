"""How often a model is right: float, int8 on the host and int8 on the device, over a labelled data set."""
