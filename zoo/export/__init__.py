"""A trained run as one ONNX file, quantized versions of it, and a web page that runs it."""
