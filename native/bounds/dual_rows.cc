// The rows of a batch: how they enter, move, and are read and set.
#include <algorithm>

#include "bounds/dual.h"

namespace bulwark {

void DualBatch::load(const std::vector<int32_t>& from, const std::vector<int32_t>& image) {
  std::vector<int32_t> zero(rows(), -1);
  std::vector<int32_t> of(rows(), -1);
  for (int r = 0; r < rows(); ++r) {
    if (from[r] < 0) continue;
    of[r] = image[r];
    zero[r] = 0;
    fresh_[r] = 1;
    anyFresh_ = true;
  }
  backend_.gather(staging_, from.data(), goal_);
  for (Layer& layer : layers_) {
    const NodeBounds& known = images_.at(layer.pre);
    backend_.gather(known.zhat, of.data(), layer.relu.zhat);
    backend_.gather(known.lower, of.data(), layer.relu.lower);
    backend_.gather(known.upper, of.data(), layer.relu.upper);
    backend_.gather(known.rho, of.data(), layer.rho);
    const View none = withFeatures({scratch_.data, 0, 1}, layer.relu.zhat.features);
    backend_.fill(none, 0);
    backend_.gather(none, zero.data(), layer.adam.first);
    backend_.gather(none, zero.data(), layer.adam.second);
    if (preset_.zeroSlopes) backend_.gather(none, zero.data(), layer.relu.slope);
  }
  if (hasInputBox()) {
    backend_.gather(images_.input().lower, of.data(), input_.lower);
    backend_.gather(images_.input().upper, of.data(), input_.upper);
  }
  backend_.gather(images_.input().eps, of.data(), input_.eps);
  const Rows none{scratch_.data, 1};
  backend_.fill(none, 0);
  backend_.gather(none, zero.data(), input_.lambda);
}

void DualBatch::compact(const std::vector<int32_t>& source, int blocks) {
  const auto move = [&](View view) {
    const View out = withFeatures({scratch_.data, 0, view.blocks}, view.features);
    backend_.gather(view, source.data(), out);
    backend_.copy(out, view, Write::assign);
  };
  const auto moveRows = [&](Rows row) { move(asView(row)); };
  move(goal_);
  for (Layer& layer : layers_) {
    for (View view : {layer.relu.zhat, layer.relu.lower, layer.relu.upper, layer.relu.slope, layer.adam.first,
                      layer.adam.second}) {
      move(view);
    }
    for (Rows each : {layer.rho, layer.relu.lambda, layer.guess}) moveRows(each);
  }
  if (hasInputBox()) {
    move(input_.lower);
    move(input_.upper);
  }
  moveRows(input_.eps);
  moveRows(input_.lambda);
  if (remembers_) {
    moveRows(bestInputLambda_);
    for (Layer& layer : layers_) {
      move(layer.bestSlope);
      moveRows(layer.bestLambda);
    }
  }
  resize(blocks);
}

void DualBatch::resize(int blocks) {
  blocks_ = blocks;
  for (int id : order_) signal_[id].blocks = blocks;
  for (View* view : {&goal_, &staging_, &dx_, &pulled_, &scratch_, &input_.lower, &input_.upper})
    view->blocks = blocks;
  for (Rows* each : {&input_.eps, &input_.lambda, &bestInputLambda_, &step_, &correction_, &scale_, &keep_,
                     &deflect_, &moved_, &arrived_, &returned_, &balls_.lambda}) {
    each->blocks = blocks;
  }
  for (Sums* each : {&value_, &inputValue_, &atZero_}) each->blocks = blocks;
  for (Layer& layer : layers_) {
    for (View* view : {&layer.relu.zhat, &layer.relu.lower, &layer.relu.upper, &layer.relu.slope,
                       &layer.adam.first, &layer.adam.second, &layer.dz}) {
      view->blocks = blocks;
    }
    for (Rows* each : {&layer.rho, &layer.distance2, &layer.guess, &layer.bestLambda, &layer.relu.lambda,
                       &layer.relu.payment, &layer.relu.passed2, &layer.adam.step, &layer.adam.correction}) {
      each->blocks = blocks;
    }
    layer.bestSlope.blocks = layer.value.blocks = blocks;
  }
  fresh_.resize(rows());
}

std::vector<int> DualBatch::relus() const {
  std::vector<int> nodes;
  for (const Layer& layer : layers_) nodes.push_back(layer.node);
  return nodes;
}

void DualBatch::readRows(View view, const std::vector<int>& wanted, std::vector<float>& values) const {
  const size_t features = view.features;
  values.resize(features * rows());
  if (wanted.empty()) return;
  // Row by row, every feature costs a cache line; of many rows, one pass over their blocks costs less.
  const auto [least, greatest] = std::minmax_element(wanted.begin(), wanted.end());
  const int first = *least / lanes_, blocks = *greatest / lanes_ + 1 - first;
  if (4 * static_cast<int>(wanted.size()) >= blocks * lanes_) {
    const size_t start = features * first * lanes_;
    return backend_.unpack({view.data + start, view.features, blocks}, values.data() + start,
                           blocks * lanes_);
  }
  for (const int row : wanted) backend_.readRow(view, row, values.data() + row * features);
}

std::vector<Multipliers> DualBatch::multipliers(const std::vector<int>& wanted) const {
  std::vector<Multipliers> out(wanted.size());
  std::vector<float> slope, inputLambda, lambdas, guesses;
  const auto fetchRows = [&](Rows ofFirst, std::vector<float>& into) {
    into.resize(balls_.at(balls_.layers, 0));
    backend_.read({ofFirst.data, static_cast<int>(into.size()) / lanes_}, into.data());
  };
  fetchRows(balls_.lambda, lambdas);
  fetchRows(balls_.guess, guesses);
  for (size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    const size_t features = layer.relu.slope.features;
    const View inEffect = withFeatures(scratch_, layer.relu.slope.features);
    backend_.slopes(layer.relu, signal_[layer.node], inEffect);
    readRows(inEffect, wanted, slope);
    for (size_t which = 0; which < wanted.size(); ++which) {
      const int row = wanted[which], at = balls_.at(static_cast<int>(k), row);
      const auto first = slope.begin() + static_cast<ptrdiff_t>(row * features);
      out[which].slope.emplace_back(first, first + static_cast<ptrdiff_t>(features));
      out[which].lambda.push_back(lambdas[at]);
      out[which].guess.push_back(guesses[at]);
    }
  }
  readRows(asView(input_.lambda), wanted, inputLambda);
  for (size_t which = 0; which < wanted.size(); ++which) out[which].inputLambda = inputLambda[wanted[which]];
  return out;
}

void DualBatch::split(int row, const Split& split) {
  const ReluLayer& relu = layers_[split.relu].relu;
  // Exact, so that the neuron counts as stable afterwards.
  backend_.pin(relu.zhat, split.feature, row, split.active ? relu.lower : relu.upper);
}

void DualBatch::start(int row, const Multipliers& multipliers) {
  for (size_t k = 0; k < layers_.size(); ++k) {
    backend_.writeRow(multipliers.slope[k].data(), row, layers_[k].relu.slope);
    backend_.put(multipliers.lambda[k], 0, row, asView(layers_[k].relu.lambda));
    backend_.put(multipliers.guess[k], 0, row, asView(layers_[k].guess));
  }
  backend_.put(multipliers.inputLambda, 0, row, asView(input_.lambda));
  fresh_[row] = 0;
}

void DualBatch::remember(Rows which) {
  for (Layer& layer : layers_) {
    backend_.select(which, layer.relu.slope, layer.bestSlope);
    backend_.select(which, asView(layer.relu.lambda), asView(layer.bestLambda));
  }
  backend_.select(which, asView(input_.lambda), asView(bestInputLambda_));
}

void DualBatch::recall(Rows which) {
  for (Layer& layer : layers_) {
    backend_.select(which, layer.bestSlope, layer.relu.slope);
    backend_.select(which, asView(layer.bestLambda), asView(layer.relu.lambda));
  }
  backend_.select(which, asView(bestInputLambda_), asView(input_.lambda));
}

void DualBatch::readSlope(std::vector<float>& slope) const {
  slope.resize(static_cast<size_t>(rows()) * signal_[0].features);
  backend_.unpack(signal_[0], slope.data(), rows());
}

std::vector<double> DualBatch::inputTerm() const {
  std::vector<double> term(rows());
  backend_.read(inputValue_, term.data());
  return term;
}

}  // namespace bulwark
