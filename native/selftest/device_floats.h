// Arrays of training's arithmetic, wherever it computes, for the tests.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "kernels/dense.h"

namespace bulwark::selftest {

class DeviceFloats {
 public:
  DeviceFloats(Dense& dense, std::vector<float> values)
      : dense_(dense), count_(values.size()), buffer_(dense.allocate(values.size())) {
    dense.upload(values.data(), data(), count_);
  }
  /// What an operation is to overwrite: NaN until it does.
  DeviceFloats(Dense& dense, size_t count)
      : DeviceFloats(dense, std::vector<float>(count, std::numeric_limits<float>::quiet_NaN())) {}

  float* data() const { return static_cast<float*>(buffer_->data()); }
  size_t size() const { return count_; }
  std::vector<float> read() const {
    std::vector<float> values(count_);
    dense_.download(data(), values.data(), count_);
    return values;
  }

 private:
  Dense& dense_;
  size_t count_;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace bulwark::selftest
