#include "network/network.h"

namespace bulwark {

std::vector<int32_t> order(const Shape& shape) {
  std::vector<int32_t> result(shape.size());
  for (int pixel = 0, i = 0; pixel < shape.pixels(); ++pixel) {
    for (int channel = 0; channel < shape.channels; ++channel) result[i++] = channel * shape.pixels() + pixel;
  }
  return result;
}

bool sameOrder(const Shape& a, const Shape& b) {
  const auto trivial = [](const Shape& shape) { return shape.channels == 1 || shape.pixels() == 1; };
  return (trivial(a) && trivial(b)) || a.channels == b.channels;
}

int inputSize(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->in;
  if (const auto* conv = std::get_if<Conv>(&affine)) return conv->in.size();
  if (const auto* scale = std::get_if<Scale>(&affine)) return static_cast<int>(scale->scale.size());
  return std::get<Index>(affine).in;
}

int outputSize(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->out;
  if (const auto* conv = std::get_if<Conv>(&affine)) return conv->out.size();
  if (const auto* scale = std::get_if<Scale>(&affine)) return static_cast<int>(scale->scale.size());
  return static_cast<int>(std::get<Index>(affine).source.size());
}

std::vector<int32_t> Network::order(int id) const { return bulwark::order(nodes[id].shape); }

std::vector<int> Network::relusBelow(int id) const {
  std::vector<char> leads(nodes.size(), 0);
  leads[id] = 1;
  for (int at = id; at >= 0; --at) {
    if (!leads[at]) continue;
    for (const int from : nodes[at].inputs) leads[from] = 1;
  }
  std::vector<int> out;
  int position = 0;
  for (size_t at = 0; at < nodes.size(); ++at) {
    if (nodes[at].kind != NodeKind::relu) continue;
    if (leads[at]) out.push_back(position);
    ++position;
  }
  return out;
}

}  // namespace bulwark
