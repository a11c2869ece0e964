"""A trained net as a file that other programs run: ONNX, with all that is done to a raw example inside of it."""
