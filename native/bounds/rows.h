// Rows whose lower bounds are wanted, as the ascent sees them: where their coefficients come from, which
// image each belongs to, and what is added to the dual's value.
#pragma once

#include <vector>

#include "bounds/images.h"
#include "bounds/problem.h"

namespace bulwark {

class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual long count() const = 0;
  virtual int image(long row) const = 0;
  /// c^T zhat + d: the row's value at the region's centre.
  virtual double constant(long row) const = 0;
  /// Row rows[r] goes to row r of `staging`; rows[r] = -1 leaves it unspecified.
  virtual void stage(Backend& backend, const std::vector<long>& rows, View staging) const = 0;
};

/// The specification's rows on the output node, image by image.
class SpecificationRows final : public RowSource {
 public:
  /// Rows of images [first, first + images.count()) of the specification.
  SpecificationRows(const Images& images, Backend& backend, const Specification& specification, int first);

  long count() const override { return static_cast<long>(images_.count()) * specification_.rowCount; }
  int image(long row) const override { return static_cast<int>(row / specification_.rowCount); }
  double constant(long row) const override { return constant_[row]; }
  void stage(Backend& backend, const std::vector<long>& rows, View staging) const override;

 private:
  const double* coefficients(long row) const;

  const Images& images_;
  const Specification& specification_;
  const int first_, outputs_;
  std::vector<double> constant_;
};

/// +z_i and -z_i of chosen neurons of one node: what intermediate boxes are made of.
class NeuronRows final : public RowSource {
 public:
  struct Neuron {
    int image, feature;
    float nominal;
  };
  explicit NeuronRows(std::vector<Neuron> neurons) : neurons_(std::move(neurons)) {}

  long count() const override { return 2 * static_cast<long>(neurons_.size()); }
  int image(long row) const override { return neurons_[row / 2].image; }
  double constant(long row) const override { return sign(row) * neurons_[row / 2].nominal; }
  void stage(Backend& backend, const std::vector<long>& rows, View staging) const override;

  const Neuron& neuron(long row) const { return neurons_[row / 2]; }
  static float sign(long row) { return row % 2 == 0 ? 1.0f : -1.0f; }

 private:
  std::vector<Neuron> neurons_;
};

}  // namespace bulwark
