// What a search holds on to: its open subproblems, worst bound first, and whatever else lives as long, all
// within one bound on memory.
#pragma once

#include <set>
#include <vector>

#include "search/subproblem.h"

namespace bulwark {

class OpenSubproblems {
 public:
  /// At most so many bytes.
  explicit OpenSubproblems(size_t memory) : memory_(memory) {}

  bool empty() const { return queue_.empty(); }
  /// Bytes held.
  size_t held() const { return held_; }

  /// Takes in a subproblem, without where it starts once that would leave too little for the others; false,
  /// and nothing is taken in, where there is no room at all.
  bool push(Subproblem);
  Subproblem popWorst();
  /// Takes out those of which `which` holds, worst first.
  template <class Which>
  std::vector<Subproblem> takeIf(Which which) {
    std::vector<Subproblem> taken;
    for (auto at = queue_.begin(); at != queue_.end();) {
      const auto here = at++;
      if (which(*here)) taken.push_back(take(here));
    }
    return taken;
  }

  /// Counts bytes that are kept elsewhere; false, and none are counted, where there is no room.
  bool hold(size_t bytes);
  void release(size_t bytes) { held_ -= bytes; }

 private:
  /// Ties by age, so that rounds depend on neither addresses nor threads.
  struct WorstFirst {
    bool operator()(const Subproblem& a, const Subproblem& b) const {
      return a.bound != b.bound ? a.bound < b.bound : a.age < b.age;
    }
  };
  using Queue = std::set<Subproblem, WorstFirst>;

  Subproblem take(Queue::iterator);

  const size_t memory_;
  size_t held_ = 0;
  Queue queue_;
};

}  // namespace bulwark
