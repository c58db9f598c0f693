// Batches for the tests: float32 on the device beside the same numbers on the host, [row][feature].
#pragma once

#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernels/backend.h"

namespace bulwark::selftest {

using Random = std::mt19937_64;

inline double uniform(Random& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}
inline int choose(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

/// A batch whose output a test waits for: NaN until something is written.
class Batch {
 public:
  Batch(Backend& backend, int features, int blocks)
      : backend_(backend),
        buffer_(backend.allocate(sizeof(float) * features * blocks * backend.lanes())),
        view_{static_cast<float*>(buffer_->data()), features, blocks} {
    backend.fill(view_, std::numeric_limits<float>::quiet_NaN());
  }
  View view() const { return view_; }
  int rows() const { return view_.blocks * backend_.lanes(); }
  int features() const { return view_.features; }

  /// Every entry from make(row, feature); returns what was stored.
  template <typename Make>
  const std::vector<float>& set(Make make) {
    host.resize(static_cast<size_t>(rows()) * features());
    for (int row = 0; row < rows(); ++row)
      for (int i = 0; i < features(); ++i)
        host[static_cast<size_t>(row) * features() + i] = static_cast<float>(make(row, i));
    backend_.pack(host.data(), rows(), view_);
    return host;
  }
  /// Reads the device's numbers back.
  const std::vector<float>& get() {
    host.resize(static_cast<size_t>(rows()) * features());
    backend_.unpack(view_, host.data(), rows());
    return host;
  }
  float at(int row, int feature) const { return host[static_cast<size_t>(row) * features() + feature]; }

  std::vector<float> host;

 private:
  Backend& backend_;
  std::unique_ptr<Buffer> buffer_;
  View view_;
};

template <typename Number, typename Device>
class PerRow {
 public:
  PerRow(Backend& backend, int blocks)
      : host(blocks * backend.lanes(), std::numeric_limits<Number>::quiet_NaN()),
        backend_(backend),
        buffer_(backend.allocate(sizeof(Number) * host.size())),
        device_{static_cast<Number*>(buffer_->data()), blocks} {
    backend.fill(device_, std::numeric_limits<Number>::quiet_NaN());
  }
  Device device() const { return device_; }
  template <typename Make>
  void set(Make make) {
    for (size_t row = 0; row < host.size(); ++row)
      host[row] = static_cast<Number>(make(static_cast<int>(row)));
    backend_.write(host.data(), device_);
  }
  const std::vector<Number>& get() {
    backend_.read(device_, host.data());
    return host;
  }
  std::vector<Number> host;

 private:
  Backend& backend_;
  std::unique_ptr<Buffer> buffer_;
  Device device_;
};
using RowValues = PerRow<float, Rows>;
using RowSums = PerRow<double, Sums>;

}  // namespace bulwark::selftest
