// The one dual, evaluated and climbed for a batch of rows (Lagrangian dual of min c^T z_target over the
// region). One backward pass gives the bound and the minimisers, one forward pass the supergradient and an
// Adam step on the slopes; the ball multipliers take a fixed-point step.
//
// Written relative to the nominal run: with z = zhat + dz the affine constraints read dz_k = A_k dx_{k-1}, so
//   D = c^T zhat_target + sum_k [ sum_i phi_i(dz) - 1/2 lambda_k rho_k^2 ] + min_{dx in region} a^T dx.
#pragma once

#include <vector>

#include "bounds/chain.h"
#include "bounds/images.h"
#include "bounds/multipliers.h"
#include "bounds/options.h"
#include "kernels/balls.h"

namespace bulwark {

class DualBatch {
 public:
  /// Room for `blocks` blocks of rows on node `target` of `images`.
  /// `remembers`: rows can go back to an earlier iterate.
  DualBatch(const Images& images, Backend& backend, int target, int blocks, const DualPreset& preset,
            bool remembers = false);

  /// What such a batch takes of the device's memory, in bytes.
  static size_t bytes(const Images& images, Backend& backend, int target, int blocks,
                      const DualPreset& preset, bool remembers) {
    return DualBatch(images, backend, target, blocks, preset, remembers, Unplaced{}).arena_.bytes();
  }

  int rows() const { return blocks_ * lanes_; }
  int blocks() const { return blocks_; }

  /// Coefficients of deviations at the target go here before `load`.
  View staging() const { return staging_; }
  /// Row r becomes row `from[r]` of staging, on image `image[r]`, with fresh multipliers; from[r] = -1 leaves
  /// row r as it is.
  void load(const std::vector<int32_t>& from, const std::vector<int32_t>& image);
  /// Keeps the first `blocks` blocks, where row r is what row source[r] was, with all its state.
  void compact(const std::vector<int32_t>& source, int blocks);

  /// The multipliers of rows as of the last `evaluate`; slopes are those in effect, whatever the rule.
  std::vector<Multipliers> multipliers(const std::vector<int>& rows) const;
  /// Starts a loaded row from these instead of fresh ones.
  void start(int row, const Multipliers& multipliers);
  /// Confines a loaded row to one side of a neuron that its box leaves open.
  void split(int row, const Split& split);
  // Into [rows()][features], of which only `rows` are filled in.
  /// The input's minimiser, as a deviation from the centre.
  void readInput(const std::vector<int>& rows, std::vector<float>& deviation) const {
    readRows(dx_, rows, deviation);
  }
  /// What the rows lose at each neuron of ReLU `relu` (kernels/split_loss.h), after an `ascend` that ranks.
  void readLosses(int relu, const std::vector<int>& rows, std::vector<float>& losses) const {
    readRows(layers_[relu].dz, rows, losses);
  }
  /// The nodes whose slopes `Multipliers` holds.
  std::vector<int> relus() const;

  /// Whether rows were loaded since the last `evaluate`, which then does more than at other times.
  bool fresh() const { return anyFresh_; }

  // None of these four waits for the device.

  /// Computes `value` at the present multipliers; rows loaded since the last call start from CROWN's slopes.
  void evaluate();
  /// One ascent step from the point of the last `evaluate`, as `step` and `correction` say. `ranks`: also
  /// computes what rows lose at each neuron.
  void ascend(bool ranks = false);
  /// Rows where `which` is not 0 keep what the last `evaluate` used; `recall` takes them back to it.
  void remember(Rows which);
  void recall(Rows which);

  /// D - c^T zhat_target for every row.
  Sums value() const { return value_; }
  /// Of the next step, per row as in `Adam`: for the caller to write. Zeros leave a row as it is.
  Rows step() const { return step_; }
  Rows correction() const { return correction_; }
  /// Rows with another number than 0 here repeat an evaluation to the bit as long as they take no step.
  void holdStill(Rows still) { input_.still = still; }

  /// Slope of the affine lower bound, d(bound)/d(input), of the last `evaluate`: [rows][inputSize].
  void readSlope(std::vector<float>& slope) const;
  /// The input's share of the last values.
  std::vector<double> inputTerm() const;

 private:
  struct Layer {
    int node = -1, pre = -1;
    ReluLayer relu;
    Adam adam;
    View dz;
    View bestSlope;
    // Parts of `balls_`.
    Rows rho, distance2, guess, bestLambda;
    Sums value;
  };

  /// Updates of the clipped ball's multiplier per evaluation: the ascent goes on from the last one's, fixed
  /// slopes get one chance.
  static constexpr int kInputSteps = 2, kInputStepsAtOnce = 8;

  void backward();
  void inputBackward();
  void coupleInput();
  void reluBackward(Layer& layer);
  void startLambda(Layer& layer, View v);
  struct Unplaced {};
  /// Reserves memory and takes none.
  DualBatch(const Images& images, Backend& backend, int target, int blocks, const DualPreset& preset,
            bool remembers, Unplaced);

  void reserveBalls();
  void placeBalls();
  void into(int node, View gradient);
  View forwardSignal(int node) const { return node == 0 ? dx_ : signal_[node]; }
  void readRows(View view, const std::vector<int>& wanted, std::vector<float>& values) const;
  void resize(int blocks);
  bool hasInputBox() const { return input_.kind == InputKind::box || input_.clipped; }

  const Images& images_;
  Backend& backend_;
  const int target_;
  const int lanes_;
  int blocks_;
  const DualPreset preset_;
  const bool remembers_;
  bool targetIsRelu_;
  std::vector<int> order_;     // ancestors of the target in topological order, the target last
  std::vector<View> signal_;   // per node: gradient on the way back, deviation on the way forward
  std::vector<char> reached_;  // per node: signal_ holds a gradient already
  std::vector<Layer> layers_;  // in topological order
  View goal_, staging_, dx_, scratch_;
  InputRegion input_;
  Rows bestInputLambda_;
  Rows step_, correction_;
  Sums value_, inputValue_;
  Balls balls_;                      // of all layers
  std::vector<BallSource> sources_;  // of the layers' balls; empty: none is chained
  Rows bestLambda_;
  Rows scale_;  // of startLambda
  Sums atZero_;
  // Where the input pays the ball of a layer (kernels/coupling.h): the affine nodes in between.
  std::vector<int> path_;
  View pulled_;
  Rows keep_, deflect_, moved_, arrived_, returned_;
  std::vector<uint8_t> fresh_;
  bool anyFresh_ = false;
  Arena arena_;
};

}  // namespace bulwark
