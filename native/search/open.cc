#include "search/open.h"

#include <utility>

namespace bulwark {

namespace {

/// Of the memory, what subproblems' starts may fill: a subproblem without one starts afresh, but one that
/// finds no room is lost.
constexpr double kStartsShare = 0.75;
/// What a queue spends on each entry: links, and the blocks behind them.
constexpr size_t kEntry = 96;

size_t bytesOf(const Subproblem& each) {
  return sizeof(Subproblem) + kEntry + each.splits.capacity() * sizeof(Split) +
         each.candidates.capacity() * sizeof(Candidate) + (each.start ? bytesOf(*each.start) : 0);
}

}  // namespace

bool OpenSubproblems::push(Subproblem subproblem) {
  size_t bytes = bytesOf(subproblem);
  if (subproblem.start && static_cast<double>(held_ + bytes) > kStartsShare * static_cast<double>(memory_)) {
    subproblem.start.reset();
    bytes = bytesOf(subproblem);
  }
  if (!hold(bytes)) return false;
  queue_.insert(std::move(subproblem));
  return true;
}

Subproblem OpenSubproblems::popWorst() { return take(queue_.begin()); }

Subproblem OpenSubproblems::take(Queue::iterator at) {
  release(bytesOf(*at));
  return std::move(queue_.extract(at).value());
}

bool OpenSubproblems::hold(size_t bytes) {
  if (bytes > memory_ - held_) return false;
  held_ += bytes;
  return true;
}

}  // namespace bulwark
