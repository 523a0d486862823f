"""Name what an image shows.

pip install numpy onnxruntime pillow; python classify.py model.onnx photo.jpg
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
metadata = session.get_modelmeta().custom_metadata_map
classes = json.loads(metadata["classes"])
mode = "L" if json.loads(metadata["input_spec"])["channels"] == 1 else "RGB"
image = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert(mode)
pixels = np.asarray(image).reshape(1, image.height, image.width, -1)
[probabilities] = session.run(["probabilities"], {"images": pixels})
for label in np.argsort(-probabilities[0])[:5]:
    print(f"{classes[label]}\t{probabilities[0, label]:.6f}")
