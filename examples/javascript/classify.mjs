// classify.mjs: npm install onnxruntime-node sharp; node classify.mjs model.onnx photo.jpg
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { images, likeliest, metadata } from "./zoo.mjs";

const bytes = readFileSync(process.argv[2]);
const session = await ort.InferenceSession.create(bytes);
const picture = sharp(process.argv[3]).rotate().toColourspace("srgb").ensureAlpha().raw(); // upright RGBA
const { data, info } = await picture.toBuffer({ resolveWithObject: true });
const { channels } = metadata(bytes, "input_spec");
const answer = await session.run({ images: images(ort, data, info.width, info.height, channels) });
console.log(likeliest(metadata(bytes, "classes"), answer.probabilities.data));
