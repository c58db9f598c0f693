// Branch and bound on the inputs, for networks of few of them: every box is bounded by CROWN, proven as it is
// computed (proof/sub_box.h), clipped to where that leaves room for a counterexample, and bisected.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bounds/options.h"
#include "kernels/thread_pool.h"
#include "proof/prover.h"
#include "proof/sub_box.h"
#include "search/cuts.h"
#include "search/points.h"
#include "verdict/proven.h"

namespace bulwark {

/// Does the box hold an x at which all rows of some term are <= 0? (src/problem/problem.ts.) In the order of
/// the proof network's features.
struct InputProblem {
  Box box;
  std::vector<proof::Claim> rows;       // on the output
  std::vector<std::vector<int>> terms;  // by index in `rows`
};

class InputSearch {
 public:
  /// The network must outlive the search.
  InputSearch(const proof::ProofNetwork&, proof::Arithmetic, std::vector<InputProblem>);

  enum class State {
    open,
    refuted,  // proven: no problem has a counterexample
    stuck,    // nothing open can be bisected any more
    full,     // too many open boxes
  };
  /// A point at which a term of a problem looks true in float64.
  struct Candidate {
    int problem;
    std::vector<double> x;
  };
  struct Report {
    State state = State::open;
    std::vector<Candidate> candidates;
  };

  /// At most `rounds` batches of boxes, or up to the first with candidates, or until stopped. Which boxes
  /// these are depends on neither threads nor time.
  Report advance(ThreadPool&, const StopCheck&, int rounds);

  int64_t boxes() const { return boxes_; }

 private:
  struct Part {
    int problem = 0;
    double priority = 0;  // the least goes first
    Box box;
    std::shared_ptr<const std::vector<int>> terms;  // that are open
    std::vector<uint8_t> signs;                     // packed
  };
  struct Outcome {
    bool done = false, open = false;
    Part rest;
    std::vector<double> sensitivity;  // by input: the greatest absolute slope of an open row
    std::vector<double> point;        // where the guide is least
  };
  /// A point near a counterexample: `value` is what the greatest row of its term has there.
  struct Start {
    int problem = 0, term = 0;
    double value = 0;
    std::vector<double> x;
  };
  struct Root {
    std::unique_ptr<proof::ImageFacts> facts;
    int64_t open = 0;
  };
  struct Worker {
    Worker(const proof::ProofNetwork& network)
        : boxes(network, proof::kernels()), points(network, proof::kernels()) {}
    proof::SubBox boxes;
    Points points;
    std::vector<proof::Sign> signs;
  };

  void push(Part part);
  std::vector<Part> takeBatch();
  void makeRoots(const std::vector<Part>& batch, ThreadPool&, const StopCheck&);
  Outcome examine(Part part, Worker&) const;
  std::vector<Start> evaluate(const std::vector<Outcome>& outcomes, ThreadPool&);
  void descend(ThreadPool&, const StopCheck&, Report& report);
  bool bisect(const Outcome&, double priority);

  const proof::ProofNetwork& network_;
  const proof::Arithmetic arithmetic_;
  const std::vector<InputProblem> problems_;
  size_t neurons_ = 0;
  std::vector<Root> roots_;
  std::vector<Part> queue_;  // a heap
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Start> promising_;
  bool stuck_ = false;
  int64_t boxes_ = 0;
  int round_ = 0;
};

}  // namespace bulwark
