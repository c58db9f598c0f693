#include "attack/replay.h"

#include <algorithm>
#include <limits>

#include "attack/feasible.h"
#include "network/reference.h"

namespace bulwark {

AttackResult::AttackResult(const Region& region, const Specification& specification)
    : value(static_cast<size_t>(region.count) * specification.rowCount,
            std::numeric_limits<double>::infinity()),
      margin(region.count, std::numeric_limits<double>::infinity()),
      row(region.count, -1),
      point(region.center) {}

void replay(const Network& network, const Region& region, const Specification& specification, int image,
            const float* deviation, AttackResult& result) {
  const int inputs = network.inputSize(), outputs = network.outputSize();
  std::vector<double> point(inputs);
  feasiblePoint(region, image, inputs, deviation, point.data());
  const std::vector<double> out = reference::forward(network, point.data());
  for (int row = 0; row < specification.rowCount; ++row) {
    const double* c = specification.row(image, row, outputs);
    double value = specification.constant(image, row);
    for (int i = 0; i < outputs; ++i) value += c[i] * out[i];
    double& smallest = result.value[static_cast<size_t>(image) * specification.rowCount + row];
    smallest = std::min(smallest, value);
    if (!(value < result.margin[image])) continue;
    result.margin[image] = value;
    result.row[image] = row;
    std::copy(point.begin(), point.end(), result.point.begin() + static_cast<size_t>(image) * inputs);
  }
}

}  // namespace bulwark
