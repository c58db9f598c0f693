// Calls of a backend that are made again and again.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "kernels/backend.h"

namespace bulwark {

/// Calls that stay the same as long as nobody says otherwise. Devices that can take them as one do so from
/// the third time on: the first takes what memory they need and loads their kernels, and a recording costs
/// about what it saves in three times.
class Repeated {
 public:
  Repeated(Backend& backend, std::function<void()> calls) : backend_(backend), calls_(std::move(calls)) {}

  void operator()() {
    if (times_ < kAlone)
      ++times_;
    else if (!recording_ && !refused_) {
      recording_ = backend_.record(calls_);
      refused_ = !recording_;
    }
    if (recording_) {
      recording_->replay();
    } else {
      calls_();
    }
  }
  /// The calls are others from now on, for other memory or other sizes.
  void changed() {
    times_ = 0;
    recording_.reset();
  }

 private:
  static constexpr int kAlone = 2;

  Backend& backend_;
  const std::function<void()> calls_;
  int times_ = 0;  // made one by one
  bool refused_ = false;
  std::unique_ptr<Recording> recording_;
};

}  // namespace bulwark
