// What the rows of a batch have reached. The device keeps it while the ascent goes on; the host has it as of
// the last look, and changes it only where rows come, go or move.
#pragma once

#include <vector>

#include "bounds/dual.h"
#include "kernels/ascent_rows.h"

namespace bulwark {

struct AscentOptions {
  int iterations = 0;
  double learningRate = 0.1;
  double decay = 0.985;
  bool stopWhenProven = false;
  double headroom = 0;     // as in BoundsOptions
  bool keepsBest = false;  // a row ends at its best iterate, not the last (the batch must remember)
};

class Ledger {
 public:
  Ledger(DualBatch& batch, Backend& backend, const AscentOptions& options);
  ~Ledger() { batch_.holdStill({}); }
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Row r begins; its bound is `constant` plus the dual's value, and it is proven above `goal`.
  void enter(int r, double constant, double goal);
  /// Row r is none any more.
  void retire(int r);
  /// After the batch was compacted so.
  void compact(const std::vector<int32_t>& source);

  /// Hands over what the host changed; before the next evaluation.
  void send();
  /// How every row of the batch stands after an evaluation, and its next step; does not wait.
  void judge();
  /// Looks which rows are settled; if any, or if `all`, at everything else too.
  bool look(bool all = false);

  /// As of the last look.
  bool settled(int r) const { return at(settled_, r) != 0; }
  double best(int r) const { return at(best_, r); }
  double bound(int r) const { return at(bound_, r); }
  int taken(int r) const { return static_cast<int>(at(taken_, r)); }

  /// Rows that the last evaluation improved, or that go back to their best iterate now.
  Rows improved() const { return rows_.improved; }
  Rows recalled() const { return rows_.recalled; }

 private:
  enum Double { constant_, goal_, best_, bound_, kDoubles };
  enum Float { taken_, recalled_, settled_, kFloats };

  double& at(Double which, int r) { return doubles_[which * size_ + r]; }
  double at(Double which, int r) const { return doubles_[which * size_ + r]; }
  float& at(Float which, int r) { return floats_[which * size_ + r]; }
  float at(Float which, int r) const { return floats_[which * size_ + r]; }

  DualBatch& batch_;
  Backend& backend_;
  const size_t size_;  // rows of the batch at its largest
  AscentRows rows_;
  Sums doublesThere_;  // quantity by quantity, as below
  Rows floatsThere_;
  std::vector<double> doubles_;
  std::vector<float> floats_, nowSettled_;
  bool changed_ = false;
  Arena arena_;
};

}  // namespace bulwark
