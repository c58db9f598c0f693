#include "attack/descent.h"

#include <algorithm>
#include <limits>

#include "kernels/forward.h"

namespace bulwark {
namespace {

/// Blocks that on a CPU run through the network together: few, so that a step's activations stay in cache,
/// but more than one, so that weights fetched once serve several.
constexpr int kBlocksAtOnce = 2;

int blocksFor(int rows, int lanes) { return (rows + lanes - 1) / lanes; }

int blocksAtOnce(const Backend& backend) {
  return std::max(kBlocksAtOnce, blocksFor(backend.leastRows(), backend.lanes()));
}

}  // namespace

Descent::Descent(const Network& network, const Plans& plans, Backend& backend, const Region& region,
                 const Specification& specification, const StopCheck& stop, int capacity)
    : network_(network),
      plans_(plans),
      backend_(backend),
      region_(region),
      specification_(specification),
      stop_(stop),
      boxed_(!region.lower.empty()),
      arena_(backend),
      activation_(network.nodes.size()),
      gradient_(network.nodes.size()) {
  const int blocks = blocksFor(capacity, backend.lanes()), size = network.inputSize();
  for (State* state : {&now_, &spare_}) {
    for (View* view : {&state->center, &state->dx, &state->kept}) arena_.reserve(*view, size, blocks);
    if (boxed_)
      for (View* view : {&state->lower, &state->upper}) arena_.reserve(*view, size, blocks);
    arena_.reserve(state->coefficients, network.outputSize(), blocks);
    for (Rows* rows : {&state->eps, &state->best, &state->constant}) arena_.reserve(*rows, blocks);
  }
  const int together = std::min(blocks, blocksAtOnce(backend));
  for (size_t node = 0; node < network.nodes.size(); ++node) {
    arena_.reserve(activation_[node], network.nodes[node].shape.size(), together);
    arena_.reserve(gradient_[node], network.nodes[node].shape.size(), together);
  }
  arena_.reserve(value_, together);
  arena_.commit();
}

void Descent::load(std::span<const Job> jobs) {
  count_ = static_cast<int>(jobs.size());
  blocks_ = blocksFor(count_, backend_.lanes());
  const State state = part(0, blocks_);
  const size_t inputs = network_.inputSize(), outputs = network_.outputSize();

  std::vector<float> staging(count_ * std::max(inputs, outputs));
  const auto packInput = [&](View out, auto&& value) {
    for (int lane = 0; lane < count_; ++lane) {
      const size_t offset = jobs[lane].image * inputs;
      for (size_t i = 0; i < inputs; ++i) staging[lane * inputs + i] = static_cast<float>(value(offset + i));
    }
    backend_.pack(staging.data(), count_, out);
  };
  packInput(state.center, [&](size_t at) { return region_.center[at]; });
  if (boxed_) {
    packInput(state.lower, [&](size_t at) { return region_.lower[at] - region_.center[at]; });
    packInput(state.upper, [&](size_t at) { return region_.upper[at] - region_.center[at]; });
  }

  std::vector<float> eps(static_cast<size_t>(blocks_) * backend_.lanes()), constant(eps.size());
  for (int lane = 0; lane < count_; ++lane) {
    const Job& job = jobs[lane];
    const double* row = specification_.row(job.image, job.row, static_cast<int>(outputs));
    std::transform(row, row + outputs, staging.begin() + lane * outputs,
                   [](double c) { return static_cast<float>(c); });
    if (!region_.eps.empty()) eps[lane] = static_cast<float>(region_.eps[job.image]);
    constant[lane] = static_cast<float>(specification_.constant(job.image, job.row));
  }
  backend_.pack(staging.data(), count_, state.coefficients);
  backend_.write(eps.data(), state.eps);
  backend_.write(constant.data(), state.constant);
  backend_.fill(state.best, std::numeric_limits<float>::infinity());
  backend_.fill(state.dx, 0);
  backend_.fill(state.kept, 0);
}

void Descent::place(const std::vector<float>& deviations) {
  backend_.pack(deviations.data(), count_, part(0, blocks_).dx);
}

void Descent::aim(const std::vector<float>& deviations) {
  place(deviations);
  const int together = blocksAtOnce(backend_);
  for (int block = 0; block < blocks_ && !stop_(); block += together) {
    const State state = part(block, std::min(together, blocks_ - block));
    forward(state);
    backward(state);
    backend_.fill(state.dx, 0);
    backend_.descend(inputRegion(state), blocksOf(gradient_[0], 0, state.dx.blocks, backend_.lanes()), 1,
                     state.dx);
  }
}

void Descent::advance(float step) {
  const int together = blocksAtOnce(backend_);
  for (int block = 0; block < blocks_ && !stop_(); block += together) {
    const State state = part(block, std::min(together, blocks_ - block));
    const auto active = [&](auto view) { return blocksOf(view, 0, state.dx.blocks, backend_.lanes()); };
    forward(state);
    backend_.dot(state.coefficients, active(activation_.back()), active(value_));
    backend_.keepBest(active(value_), state.dx, state.best, state.kept);
    if (step == 0) continue;
    backward(state);
    backend_.descend(inputRegion(state), active(gradient_[0]), step, state.dx);
  }
}

void Descent::forward(const State& state) {
  std::vector<View> active;
  for (const View& view : activation_) active.push_back(blocksOf(view, 0, state.dx.blocks, backend_.lanes()));
  backend_.copy(state.center, active[0], Write::assign);
  backend_.copy(state.dx, active[0], Write::accumulate);
  runForward(network_, plans_, backend_, active);
}

/// Leaves the gradient of every row at the network's input in gradient_[0].
void Descent::backward(const State& state) {
  const auto active = [&](View view) { return blocksOf(view, 0, state.dx.blocks, backend_.lanes()); };
  std::vector<char> reached(network_.nodes.size(), 0);
  // The first consumer of a node writes its gradient, later ones add to it.
  const auto write = [&](int id) {
    const Write how = reached[id] ? Write::accumulate : Write::assign;
    reached[id] = 1;
    return how;
  };
  backend_.copy(state.coefficients, active(gradient_.back()), Write::assign);
  reached.back() = 1;
  for (int id = static_cast<int>(network_.nodes.size()) - 1; id > 0; --id) {
    if (!reached[id]) continue;
    const Node& node = network_.nodes[id];
    const View gradient = active(gradient_[id]);
    if (node.kind == NodeKind::relu) backend_.reluMask(active(activation_[node.inputs[0]]), gradient);
    for (int from : node.inputs) {
      const View into = active(gradient_[from]);
      if (node.kind == NodeKind::affine) {
        backend_.apply(plans_[node.affine], Pass::adjoint, gradient, into, write(from));
      } else {
        backend_.copy(gradient, into, write(from));
      }
    }
  }
  if (!reached[0]) backend_.fill(active(gradient_[0]), 0);
}

std::vector<float> Descent::best() const {
  const State state = part(0, blocks_);
  std::vector<float> best(static_cast<size_t>(blocks_) * backend_.lanes()), constant(best.size());
  backend_.read(state.best, best.data());
  backend_.read(state.constant, constant.data());
  for (size_t lane = 0; lane < best.size(); ++lane) best[lane] += constant[lane];
  best.resize(count_);
  return best;
}

std::vector<float> Descent::points(const std::vector<int>& lanes) const {
  const int count = static_cast<int>(lanes.size()), blocks = blocksFor(count, backend_.lanes());
  std::vector<int32_t> source(static_cast<size_t>(blocks) * backend_.lanes(), -1);
  std::copy(lanes.begin(), lanes.end(), source.begin());
  const View gathered = blocksOf(spare_.kept, 0, blocks, backend_.lanes());
  backend_.gather(now_.kept, source.data(), gathered);
  std::vector<float> points(static_cast<size_t>(count) * network_.inputSize());
  backend_.unpack(gathered, points.data(), count);
  return points;
}

void Descent::keep(const std::vector<int>& lanes) {
  count_ = static_cast<int>(lanes.size());
  blocks_ = blocksFor(count_, backend_.lanes());
  // Lanes past the count repeat the first one, so that they hold numbers.
  std::vector<int32_t> source(static_cast<size_t>(blocks_) * backend_.lanes(), lanes.empty() ? -1 : lanes[0]);
  std::copy(lanes.begin(), lanes.end(), source.begin());
  std::swap(now_, spare_);
  const State to = part(0, blocks_);
  for (const auto view : {&State::center, &State::dx, &State::kept, &State::coefficients})
    backend_.gather(spare_.*view, source.data(), to.*view);
  if (boxed_)
    for (const auto view : {&State::lower, &State::upper})
      backend_.gather(spare_.*view, source.data(), to.*view);
  for (const auto rows : {&State::eps, &State::best, &State::constant})
    backend_.gather(spare_.*rows, source.data(), to.*rows);
}

Descent::State Descent::part(int firstBlock, int blocks) const {
  State state = now_;
  for (const auto view :
       {&State::center, &State::lower, &State::upper, &State::dx, &State::kept, &State::coefficients})
    state.*view = blocksOf(now_.*view, firstBlock, blocks, backend_.lanes());
  for (const auto rows : {&State::eps, &State::best, &State::constant})
    state.*rows = blocksOf(now_.*rows, firstBlock, blocks, backend_.lanes());
  return state;
}

InputRegion Descent::inputRegion(const State& state) const {
  return {region_.kind, region_.clipped(), state.lower, state.upper, state.eps, Rows{}};
}

}  // namespace bulwark
