// classify.cpp: apt-get install libonnxruntime-dev libstb-dev nlohmann-json3-dev   (Debian 13)
// g++ -std=c++17 -I/usr/include/onnxruntime classify.cpp -lonnxruntime -o classify; ./classify model.onnx photo.jpg
#define STB_IMAGE_IMPLEMENTATION
#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <onnxruntime_cxx_api.h>
#include <stb/stb_image.h>
#include <vector>

int main(int count, char** words) {
  if (count != 3) return std::fputs("usage: classify MODEL PICTURE\n", stderr), 2;
  Ort::Env env;
  Ort::Session session(env, words[1], Ort::SessionOptions());
  Ort::AllocatorWithDefaultOptions allocator;
  Ort::ModelMetadata metadata = session.GetModelMetadata();
  auto read = [&](const char* key) {
    return nlohmann::json::parse(metadata.LookupCustomMetadataMapAllocated(key, allocator).get());
  };
  std::vector<std::string> classes = read("classes");
  int channels = read("input_spec")["channels"], width, height, stored;
  stbi_uc* rgba = stbi_load(words[2], &width, &height, &stored, 4);  // knows nothing of EXIF
  if (rgba == nullptr) return std::fprintf(stderr, "%s: %s\n", words[2], stbi_failure_reason()), 2;
  std::vector<uint8_t> pixels;
  for (const stbi_uc *at = rgba, *end = rgba + size_t(4) * width * height; at < end; at += 4) {
    auto over = [&](int c) { return (at[c] * at[3] + 255 * (255 - at[3]) + 127) / 255; };  // white
    if (channels == 3) pixels.insert(pixels.end(), {uint8_t(over(0)), uint8_t(over(1)), uint8_t(over(2))});
    else pixels.push_back((over(0) * 19595 + over(1) * 38470 + over(2) * 7471 + 0x8000) >> 16);  // luma as Pillow's
  }
  std::array<int64_t, 4> shape{1, height, width, channels};
  Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto images = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape.data(), shape.size());
  const char *input = "images", *output = "probabilities";
  std::vector<Ort::Value> answer = session.Run({}, &input, &images, 1, &output, 1);
  const float* probabilities = answer[0].GetTensorData<float>();
  std::vector<size_t> order(classes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
  for (size_t i = 0; i < std::min<size_t>(5, order.size()); ++i)
    std::printf("%s\t%.6f\n", classes[order[i]].c_str(), probabilities[order[i]]);
}
