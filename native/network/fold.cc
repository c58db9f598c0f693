#include "network/fold.h"

#include <algorithm>
#include <utility>

#include "network/conv_walk.h"

namespace bulwark {
namespace {

using Folded = std::optional<Affine>;

// --- a scale on either side ---

Folded fold(const Scale& first, const Scale& second) {
  Scale result = second;
  for (size_t i = 0; i < result.scale.size(); ++i) {
    result.scale[i] = second.scale[i] * first.scale[i];
    result.shift[i] = second.scale[i] * first.shift[i] + second.shift[i];
  }
  return result;
}

Folded fold(const Scale& first, const Linear& second) {
  Linear result = second;
  for (int o = 0; o < second.out; ++o) {
    double* row = result.weight.data() + static_cast<size_t>(o) * second.in;
    for (int i = 0; i < second.in; ++i) {
      result.bias[o] += row[i] * first.shift[i];
      row[i] *= first.scale[i];
    }
  }
  return result;
}

Folded fold(const Linear& first, const Scale& second) {
  Linear result = first;
  for (int o = 0; o < first.out; ++o) {
    double* row = result.weight.data() + static_cast<size_t>(o) * first.in;
    for (int i = 0; i < first.in; ++i) row[i] *= second.scale[o];
    result.bias[o] = second.scale[o] * first.bias[o] + second.shift[o];
  }
  return result;
}

/// A convolution has one weight for all pixels, so a scale folds only where it has one factor per channel.
bool constantPerChannel(const Scale& scale, int channels) {
  for (size_t i = channels; i < scale.scale.size(); ++i) {
    if (scale.scale[i] != scale.scale[i - channels]) return false;
  }
  return true;
}

/// The shift becomes the convolution's bias per feature, which differs at padded borders.
Folded fold(const Scale& first, const Conv& second) {
  if (!constantPerChannel(first, second.in.channels)) return {};
  Conv result = second;
  forEachEntry(second, [&](int o, int i, double weight) { result.bias[o] += weight * first.shift[i]; });
  const int taps = tapCount(second);
  const int inPerGroup = second.in.channels / second.group, outPerGroup = second.out.channels / second.group;
  for (int o = 0, w = 0; o < second.out.channels; ++o) {
    for (int i = 0; i < inPerGroup; ++i) {
      const double factor = first.scale[o / outPerGroup * inPerGroup + i];
      for (int tap = 0; tap < taps; ++tap) result.weight[w++] *= factor;
    }
  }
  return result;
}

Folded fold(const Conv& first, const Scale& second) {
  if (!constantPerChannel(second, first.out.channels)) return {};
  Conv result = first;
  const size_t perChannel = first.weight.size() / first.out.channels;
  for (size_t w = 0; w < result.weight.size(); ++w) result.weight[w] *= second.scale[w / perChannel];
  for (size_t i = 0; i < result.bias.size(); ++i) {
    result.bias[i] = second.scale[i] * first.bias[i] + second.shift[i];
  }
  return result;
}

// --- an index on either side ---

Folded fold(const Index& first, const Index& second) {
  Index result{first.in, second.source};
  for (int32_t& source : result.source) source = source < 0 ? -1 : first.source[source];
  return result;
}

Folded fold(const Index& first, const Linear& second) {
  if (first.in > second.in) return {};
  Linear result{first.in, second.out, std::vector<double>(static_cast<size_t>(second.out) * first.in),
                second.bias};
  for (int o = 0; o < second.out; ++o) {
    const double* from = second.weight.data() + static_cast<size_t>(o) * second.in;
    double* to = result.weight.data() + static_cast<size_t>(o) * first.in;
    for (int i = 0; i < second.in; ++i) {
      if (first.source[i] >= 0) to[first.source[i]] += from[i];
    }
  }
  return result;
}

Folded fold(const Linear& first, const Index& second) {
  const int out = static_cast<int>(second.source.size());
  if (out > first.out) return {};
  Linear result{first.in, out, std::vector<double>(static_cast<size_t>(out) * first.in),
                std::vector<double>(out)};
  for (int o = 0; o < out; ++o) {
    const int32_t source = second.source[o];
    if (source < 0) continue;
    std::copy_n(first.weight.begin() + static_cast<ptrdiff_t>(source) * first.in, first.in,
                result.weight.begin() + static_cast<ptrdiff_t>(o) * first.in);
    result.bias[o] = first.bias[source];
  }
  return result;
}

/// The map inside `padded` that an index surrounds with zeros, and where it begins.
struct Frame {
  Shape inner;
  int top, left;
};

std::optional<Frame> findFrame(const Index& index, const Shape& padded) {
  int top = padded.height, left = padded.width, bottom = -1, right = -1;
  for (int y = 0, i = 0; y < padded.height; ++y) {
    for (int x = 0; x < padded.width; ++x, i += padded.channels) {
      if (index.source[i] < 0) continue;
      top = std::min(top, y), bottom = std::max(bottom, y);
      left = std::min(left, x), right = std::max(right, x);
    }
  }
  if (bottom < 0) return {};
  const Frame frame{{padded.channels, bottom - top + 1, right - left + 1}, top, left};
  if (frame.inner.size() != index.in) return {};
  for (int y = 0, i = 0; y < padded.height; ++y) {
    for (int x = 0; x < padded.width; ++x) {
      const bool inside = y >= top && y <= bottom && x >= left && x <= right;
      const int pixel = (y - top) * frame.inner.width + (x - left);
      for (int channel = 0; channel < padded.channels; ++channel, ++i) {
        if (index.source[i] != (inside ? pixel * padded.channels + channel : -1)) return {};
      }
    }
  }
  return frame;
}

Folded fold(const Index& first, const Conv& second) {
  const std::optional<Frame> frame = findFrame(first, second.in);
  if (!frame) return {};
  Conv result = second;
  result.in = frame->inner;
  result.pads = {second.pads[0] + frame->top, second.pads[1] + frame->left};
  return result;
}

// --- two matrices ---

Folded fold(const Linear& first, const Linear& second) {
  const auto work = [](int rows, int columns) { return static_cast<int64_t>(rows) * columns; };
  if (work(second.out, first.in) > work(first.out, first.in) + work(second.out, second.in)) return {};
  Linear result{first.in, second.out, std::vector<double>(static_cast<size_t>(second.out) * first.in),
                second.bias};
  for (int o = 0; o < second.out; ++o) {
    double* to = result.weight.data() + static_cast<size_t>(o) * first.in;
    for (int k = 0; k < second.in; ++k) {
      const double factor = second.weight[static_cast<size_t>(o) * second.in + k];
      const double* from = first.weight.data() + static_cast<size_t>(k) * first.in;
      for (int i = 0; i < first.in; ++i) to[i] += factor * from[i];
      result.bias[o] += factor * first.bias[k];
    }
  }
  return result;
}

template <class First, class Second>
Folded fold(const First&, const Second&) {
  return {};
}

/// A name tells the user which weights are meant, so a matrix or convolution keeps its own.
bool carriesWeights(const Affine& affine) {
  return std::holds_alternative<Linear>(affine) || std::holds_alternative<Conv>(affine);
}

/// The nodes that the output needs, and the input, renumbered.
Network compact(Network&& network, int output) {
  std::vector<char> needed(network.nodes.size());
  needed[0] = needed[output] = 1;
  for (int id = output; id >= 0; --id) {
    if (!needed[id]) continue;
    for (const int input : network.nodes[id].inputs) needed[input] = 1;
  }
  Network result;
  std::vector<int> renumbered(network.nodes.size());
  for (int id = 0; id <= output; ++id) {
    if (!needed[id]) continue;
    Node& node = network.nodes[id];
    for (int& input : node.inputs) input = renumbered[input];
    if (node.affine >= 0) {
      result.affines.push_back(std::move(network.affines[node.affine]));
      node.affine = static_cast<int>(result.affines.size()) - 1;
    }
    renumbered[id] = static_cast<int>(result.nodes.size());
    result.nodes.push_back(std::move(node));
  }
  return result;
}

}  // namespace

Folded compose(const Affine& first, const Affine& second) {
  return std::visit([](const auto& a, const auto& b) { return fold(a, b); }, first, second);
}

bool isIdentity(const Affine& affine) {
  if (const auto* scale = std::get_if<Scale>(&affine)) {
    return std::all_of(scale->scale.begin(), scale->scale.end(), [](double s) { return s == 1; }) &&
           std::all_of(scale->shift.begin(), scale->shift.end(), [](double t) { return t == 0; });
  }
  if (const auto* index = std::get_if<Index>(&affine)) {
    if (index->in != static_cast<int>(index->source.size())) return false;
    for (int i = 0; i < index->in; ++i) {
      if (index->source[i] != i) return false;
    }
    return true;
  }
  return false;
}

namespace {

/// The pass behind `simplify` and `fold`.
Network rewrite(Network network, bool composing) {
  const int last = static_cast<int>(network.nodes.size()) - 1;
  network = compact(std::move(network), last);
  std::vector<Node>& nodes = network.nodes;
  const int count = static_cast<int>(nodes.size());
  std::vector<int> uses(count), standIn(count);  // how often a node is read; the node that carries its value
  for (const Node& node : nodes) {
    for (const int input : node.inputs) ++uses[input];
  }
  ++uses[count - 1];
  const auto replaceByInput = [&](int id) {
    standIn[id] = nodes[id].inputs[0];
    uses[standIn[id]] += uses[id] - 1;
  };

  for (int id = 0; id < count; ++id) {
    Node& node = nodes[id];
    standIn[id] = id;
    for (int& input : node.inputs) input = standIn[input];

    if (!composing && node.kind == NodeKind::relu && nodes[node.inputs[0]].kind == NodeKind::relu) {
      replaceByInput(id);
    } else if (node.kind == NodeKind::add && node.inputs[0] == node.inputs[1]) {
      --uses[node.inputs[0]];
      node.inputs.pop_back();
      node.kind = NodeKind::affine;
      node.affine = static_cast<int>(network.affines.size());
      const auto size = static_cast<size_t>(node.shape.size());
      network.affines.push_back(Scale{std::vector<double>(size, 2.0), std::vector<double>(size, 0.0)});
    }
    if (node.kind != NodeKind::affine) continue;

    Affine& affine = network.affines[node.affine];
    while (composing && !isIdentity(affine)) {
      const Node& producer = nodes[node.inputs[0]];
      if (producer.kind != NodeKind::affine || uses[node.inputs[0]] != 1) break;
      const Affine& first = network.affines[producer.affine];
      Folded folded = compose(first, affine);
      if (!folded) break;
      if (!carriesWeights(affine) && carriesWeights(first)) node.name = producer.name;
      affine = std::move(*folded);
      node.inputs = std::vector<int>(producer.inputs);
    }
    if (isIdentity(affine)) replaceByInput(id);
  }
  // What moves nothing may still rename the features, and the output must keep its own order.
  const Shape wanted = nodes[count - 1].shape;
  int output = standIn[count - 1];
  if (!sameOrder(nodes[output].shape, wanted)) {
    if (output == 0) {
      output = count - 1;
    } else {
      nodes[output].shape = wanted;
    }
  }
  return compact(std::move(network), output);
}

}  // namespace

Network simplify(Network network) { return rewrite(std::move(network), false); }

Network fold(Network network) { return rewrite(std::move(network), true); }

}  // namespace bulwark
