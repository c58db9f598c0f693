#include "addon/problem_arguments.h"

#include <cmath>

#include "addon/arguments.h"

namespace bulwark::addon {

std::vector<double> toStored(const std::vector<double>& values, const std::vector<int32_t>& order) {
  std::vector<double> out(values.size());
  for (size_t base = 0; base < values.size(); base += order.size()) {
    for (size_t i = 0; i < order.size(); ++i) out[base + i] = values[base + order[i]];
  }
  return out;
}

Region readRegion(Napi::Object object, const Model& model) {
  const Fields fields(object, "region");
  Region region;
  region.kind = fields.choice<InputKind>(
      "kind", {{"box", InputKind::box}, {"l1", InputKind::l1}, {"l2", InputKind::l2}});
  region.count = fields.integer("count", 1);
  const size_t length = static_cast<size_t>(region.count) * model.network.inputSize();
  const auto read = [&](const char* name) {
    return toStored(fields.doubles(name, length), model.inputOrder);
  };
  region.center = read("center");
  if (region.kind != InputKind::box || fields.has("eps")) region.eps = fields.doubles("eps", region.count);
  if (region.kind == InputKind::box || fields.has("lower")) {
    region.lower = read("lower");
    region.upper = read("upper");
  }
  for (double eps : region.eps) {
    if (!(eps >= 0) || std::isinf(eps)) throw fields.wrong("eps", "finite numbers >= 0");
  }
  for (size_t i = 0; i < length; ++i) {
    if (!std::isfinite(region.center[i])) throw fields.wrong("center", "finite numbers");
    if (region.lower.empty()) continue;
    if (!(region.lower[i] <= region.center[i] && region.center[i] <= region.upper[i])) {
      throw fields.wrong("center", "numbers between lower and upper");
    }
  }
  return region;
}

Specification readRows(Napi::Object object, const Model& model, int count) {
  const Fields fields(object, "rows");
  Specification specification;
  specification.rowCount = fields.integer("rowCount", 1);
  specification.shared = fields.boolean("shared");
  const size_t rows = static_cast<size_t>(specification.rowCount) * (specification.shared ? 1 : count);
  specification.c = toStored(fields.doubles("c", rows * model.network.outputSize()), model.outputOrder);
  specification.d = fields.doubles("d", rows);
  return specification;
}

BoundsOptions readBoundsOptions(Napi::Object object) {
  const Fields fields(object, "options");
  BoundsOptions options;
  options.method = fields.choice<Method>("method", {{"ibp", Method::ibp},
                                                    {"lip", Method::lip},
                                                    {"crown", Method::crown},
                                                    {"alpha-crown", Method::alphaCrown},
                                                    {"sdp-crown", Method::sdpCrown},
                                                    {"joint", Method::joint},
                                                    {"weighted", Method::weighted}});
  options.boxes = fields.choice<BoxSource>(
      "boxes",
      {{"cheap", BoxSource::cheap}, {"crown", BoxSource::crown}, {"optimised", BoxSource::optimised}});
  options.iterations = fields.integer("iterations", 0);
  options.boxIterations = fields.integer("boxIterations", 0);
  options.learningRate = fields.number("learningRate");
  options.decay = fields.number("decay");
  options.stopWhenProven = fields.boolean("stopWhenProven");
  options.timeLimit = fields.number("timeLimit");
  options.coefficients = fields.boolean("coefficients");
  options.multipliers = fields.boolean("multipliers");
  return options;
}

std::optional<ProofOptions> readProofOptions(Napi::Object object) {
  const Fields fields(object, "options");
  const auto arithmetic = fields.choice<std::optional<proof::Arithmetic>>(
      "assurance",
      {{"none", std::nullopt}, {"real", proof::Arithmetic::real}, {"float32", proof::Arithmetic::float32}});
  const bool decidedOnly = fields.boolean("decidedOnly");
  if (!arithmetic) return {};
  return ProofOptions{.arithmetic = *arithmetic, .decidedOnly = decidedOnly};
}

}  // namespace bulwark::addon
