#include "bounds/rows.h"

namespace bulwark {

SpecificationRows::SpecificationRows(const Images& images, Backend& backend,
                                     const Specification& specification, int first)
    : images_(images),
      specification_(specification),
      first_(first),
      outputs_(images.prepared().network.outputSize()) {
  const int target = static_cast<int>(images.prepared().network.nodes.size()) - 1;
  const std::vector<float> nominal = images.nominal(backend, target);
  constant_.resize(count());
  for (long row = 0; row < count(); ++row) {
    const double* c = coefficients(row);
    const float* y = nominal.data() + static_cast<size_t>(image(row)) * outputs_;
    double sum =
        specification_.constant(first_ + image(row), static_cast<int>(row % specification_.rowCount));
    for (int j = 0; j < outputs_; ++j) sum += c[j] * y[j];
    constant_[row] = sum;
  }
}

const double* SpecificationRows::coefficients(long row) const {
  return specification_.row(first_ + image(row), static_cast<int>(row % specification_.rowCount), outputs_);
}

void SpecificationRows::stage(Backend& backend, const std::vector<long>& rows, View staging) const {
  std::vector<float> packed(rows.size() * outputs_, 0.0f);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r] < 0) continue;
    const double* c = coefficients(rows[r]);
    for (int j = 0; j < outputs_; ++j) packed[r * outputs_ + j] = static_cast<float>(c[j]);
  }
  backend.pack(packed.data(), static_cast<int>(rows.size()), staging);
}

void NeuronRows::stage(Backend& backend, const std::vector<long>& rows, View staging) const {
  std::vector<int32_t> feature(rows.size(), -1);
  std::vector<float> signs(rows.size(), 0.0f);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r] < 0) continue;
    feature[r] = neuron(rows[r]).feature;
    signs[r] = sign(rows[r]);
  }
  backend.units(feature.data(), signs.data(), staging);
}

}  // namespace bulwark
