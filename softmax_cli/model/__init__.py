"""ONNX classifiers as a source of logits: session, inputs, outputs, and the decision on their activation."""
