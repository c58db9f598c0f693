// Subproblems as rows of the ascent: each starts from given multipliers, under its splits.
#pragma once

#include <memory>
#include <vector>

#include "bounds/ascent.h"
#include "search/subproblem.h"

namespace bulwark {

/// One row to climb: a row of the specification under splits.
struct Branch {
  long row;
  std::vector<Split> splits;
  std::shared_ptr<const Multipliers> start;
};

class SubproblemRows final : public RowSource, public RowVisitor {
 public:
  /// `candidates` > 0: also rank that many neurons to split next, in rows that end unproven; `minimisers`:
  /// also read where the input's share of the bound is least.
  SubproblemRows(const RowSource& specification, std::vector<Branch> branches, int candidates,
                 bool minimisers)
      : specification_(specification),
        branches_(std::move(branches)),
        wanted_(candidates),
        minimises_(minimisers),
        candidates_(branches_.size()),
        minimisers_(branches_.size()) {}

  long count() const override { return static_cast<long>(branches_.size()); }
  int image(long row) const override { return specification_.image(branches_[row].row); }
  double constant(long row) const override { return specification_.constant(branches_[row].row); }
  void stage(Backend& backend, const std::vector<long>& rows, View staging) const override;

  void entered(DualBatch& batch, int r, long row) override;
  bool ranks() const override { return wanted_ > 0; }
  void settled(DualBatch& batch, const Leaving& leaving) override;
  void ranked(DualBatch& batch, const Leaving& leaving) override;

  const Branch& branch(long row) const { return branches_[row]; }
  /// Best first; empty where every neuron is settled.
  const std::vector<Candidate>& candidates(long row) const { return candidates_[row]; }
  /// As a deviation from the centre.
  const std::vector<float>& minimiser(long row) const { return minimisers_[row]; }

 private:
  const RowSource& specification_;
  const std::vector<Branch> branches_;
  const int wanted_;
  const bool minimises_;
  std::vector<std::vector<Candidate>> candidates_;
  std::vector<std::vector<float>> minimisers_;
};

}  // namespace bulwark
