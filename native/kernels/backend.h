// Arithmetic on batches of vectors: the one interface that every device implements.
//
// A batch holds rows (one row = one specification row of one image, or one image) in blocks of `lanes()`
// rows. Inside a block the row is the fastest index, [feature][lane], so every operator, whatever its
// shape, is vectorised across rows, per-row scalars are vectors, and reductions over features need no
// shuffles. Nothing here knows what a bound is used for; nothing above here knows the device.
//
// All arithmetic on deviations: the dual is written relative to the nominal run of the network at the
// region's centre, z = zhat + dz, so the affine constraints have no bias, dz = A dx, and float32 spends
// its digits on what the perturbation changes.
//
// Calls are synchronous as seen by the caller's reads through `read`/`unpack`; a backend object may be
// used by one thread at a time, plans by any number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/buffer.h"
#include "kernels/views.h"
#include "network/network.h"

namespace bulwark {

struct AscentRows;
struct Balls;
enum class BallStart;
struct CoupledInput;

/// Calls of a backend that were recorded, for repetition as one.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Asks for all of them again, in their order; what they read is what is there then.
  virtual void replay() = 0;
};

/// An affine operator with its weights packed for a device. Immutable, shared between threads.
class AffinePlan {
 public:
  virtual ~AffinePlan() = default;
};

enum class Pass {
  forward,    // y = A x
  adjoint,    // x = A^T y
  magnitude,  // y = |A| x
};

enum class Write { assign, accumulate };

/// How a ReLU chooses v = slope * c.
enum class SlopeRule {
  box,   // slope = u / (u - l) where c < 0, `slope` where c >= 0 (CROWN, alpha-CROWN); stable neurons exact
  free,  // slope = `slope`; in rows with lambda = 0 as `box`, but where the box ends at the kink (a split)
};

/// One ReLU layer of the dual, for every row of a batch. Deviations are relative to the nominal
/// pre-activation zhat: the box is lower <= dz <= upper, with lower <= 0 <= upper.
struct ReluLayer {
  View zhat, lower, upper;  // in
  View slope;               // in; written in fresh rows (CROWN's choice for the sign of c)
  Rows lambda;              // in: ball multiplier per row, >= 0; 0 drops the ball
  SlopeRule rule;
  bool boundless;  // phi over all of R (Theorem 4.1 of SDP-CROWN): the box only chooses slopes
  // Where later balls are paid by what passes this ReLU (never with `boundless`): in, m >= 0 per row, so that
  // phi has (lambda + m) / 2 dz^2 - m / 2 (relu(zhat + dz) - relu(zhat))^2; out, the row sums of that square.
  Rows payment{}, passed2{};
};

/// Slopes' ascent state; Adam with per-row step sizes, because rows start at different times.
struct Adam {
  View first, second;
  Rows step;        // learning rate with decay and first-moment correction of this row's step; 0: it stays
  Rows correction;  // second-moment correction 1 / (1 - beta2^t)
  float beta1 = 0.9f, beta2 = 0.999f;
};

enum class InputKind { box, l1, l2 };

/// The region's deviations from its centre: lower <= dx <= upper (absent: a whole ball), ||dx||_p <= eps.
struct InputRegion {
  InputKind kind;
  bool clipped;       // a ball intersected with the box lower/upper
  View lower, upper;  // for box or clipped
  Rows eps;           // for l1, l2
  Rows lambda;        // clipped l2: multiplier of the ball, updated by the call
  Rows still{};       // rows with another number than 0 here keep it; absent: none does
};

/// Where random numbers come from: a number is a function of the seed, the stream, its row and its feature.
struct NoiseStream {
  uint64_t seed;
  uint32_t stream;
  uint32_t first;  // the row of the numbers in a batch's row 0
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual int lanes() const = 0;
  /// Rows that a call needs to keep the device busy; 0: a caller should rather think of the caches.
  virtual int leastRows() const { return 0; }
  /// Bytes that may still be taken on the device, by all of its backends together; the largest number: as
  /// many as the machine has.
  virtual size_t memoryLeft() const { return std::numeric_limits<size_t>::max(); }
  /// How many calls ahead of the device its caller should be: steps of an ascent between two looks at how
  /// rows stand. 1: looking costs nothing.
  virtual int stepsAhead() const { return 1; }
  /// The instruction set or device, e.g. "avx512".
  virtual const char* name() const = 0;

  /// Returns when all that was asked for so far is done: other backends of the device then see what it wrote.
  virtual void finish() {}

  /// Makes `calls` and records what they ask for, of which nothing is done yet. Null, and nothing asked for,
  /// where calls cost little one by one, or where some of these hand numbers to or from the host or take
  /// memory. The recording is for this backend's thread, as long as what the calls were given lasts.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& /*calls*/) { return nullptr; }

  // --- memory ---
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  virtual void fill(View out, float value) = 0;
  virtual void fill(Rows out, float value) = 0;
  virtual void fill(Sums out, double value) = 0;
  /// rows [count][features] row-major on the host -> lanes; rows past `count` are zero.
  virtual void pack(const float* rows, int count, View out) = 0;
  virtual void unpack(View in, float* rows, int count) = 0;
  virtual void write(const float* host, Rows out) = 0;
  virtual void write(const double* host, Sums out) = 0;
  virtual void read(Rows in, float* host) = 0;
  virtual void read(Sums in, double* host) = 0;
  /// One row, [features] on the host.
  virtual void readRow(View in, int row, float* host) = 0;
  virtual void writeRow(const float* host, int row, View out) = 0;
  /// out[feature] of one row = value.
  virtual void put(float value, int feature, int row, View out) = 0;
  /// out row r = in row source[r]; source[r] = -1 leaves row r as it is. in and out do not overlap.
  virtual void gather(View in, const int32_t* source, View out) = 0;
  virtual void gather(Rows in, const int32_t* source, Rows out) = 0;
  /// out row r = in row r where which[r] is not 0.
  virtual void select(Rows which, View in, View out) = 0;
  /// out row r = sign[r] * unit vector feature[r]; feature[r] = -1 gives zero.
  virtual void units(const int32_t* feature, const float* sign, View out) = 0;

  // --- affine operators ---
  virtual std::unique_ptr<AffinePlan> plan(const Affine& affine) = 0;
  virtual void apply(const AffinePlan& plan, Pass pass, View in, View out, Write write) = 0;
  /// y += b for every row.
  virtual void addBias(const AffinePlan& plan, View y) = 0;
  virtual void copy(View in, View out, Write write) = 0;

  // --- the dual ---
  /// Backward through a ReLU. c: d(row)/d(activation). Writes v = slope * c, the minimiser dz of phi, the
  /// row sums value = sum phi - sum over the nominal point (so 0 at dz = 0) and distance2 = ||dz||^2.
  /// Rows with fresh[r] != 0 get CROWN's slopes first.
  virtual void reluDual(const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz, Sums value,
                        Rows distance2) = 0;
  /// Forward through a ReLU. y: incoming signal at the pre-activation; G = y - dz, gradient c * G. Takes one
  /// Adam step on the slopes (under the box rule: clamped to [0,1], only where c >= 0 and unstable) and
  /// overwrites c with the outgoing signal relu(zhat + dz) - relu(zhat) + slope * G (slope before the step).
  virtual void reluAscend(const ReluLayer& layer, View y, View dz, View c, const Adam& adam) = 0;
  /// The slopes that turn c into v, whatever the rule.
  virtual void slopes(const ReluLayer& layer, View c, View out) = 0;
  /// What rows lose at every neuron, see kernels/split_loss.h. Between reluDual and reluAscend, whose y this
  /// is.
  virtual void losses(const ReluLayer& layer, View y, View dz, View c, View out) = 0;
  /// Lets the box of one neuron end at its kink: bound[feature] of one row = -zhat[feature].
  virtual void pin(View zhat, int feature, int row, View bound) = 0;
  /// out[r] = ||in row r||_2.
  virtual void norm2(View in, Rows out) = 0;
  /// value[r] = min of a^T dx over the region (a lower bound of it where clipped l2 multipliers are not yet
  /// exact), dx: the minimiser. `steps` updates of the clipped l2 multiplier precede the evaluation.
  virtual void inputDual(InputRegion region, View a, int steps, View dx, Sums value) = 0;
  /// dx <- keep[r] dx + add[r] pulled, but where dx lies at an end of a clip range.
  virtual void deflect(const InputRegion& region, Rows keep, Rows add, View pulled, View dx) = 0;

  // --- numbers per row: what the dual's multipliers and its ascent are made of ---
  /// Hands every layer's multiplier to the layer that its ball is a function of: `paid` and `payment`.
  virtual void payBalls(const Balls&) = 0;
  /// A fresh row's multiplier of one layer, stage by stage; scale and atZero: memory of the stages.
  virtual void startBall(const Balls&, int layer, BallStart stage, const uint8_t* fresh, Rows scale,
                         Sums atZero) = 0;
  /// One fixed-point step of all multipliers, in rows whose correction (see Adam) is not 0.
  virtual void stepBalls(const Balls&, Rows correction) = 0;
  /// The input's term where the input pays for a layer's ball.
  virtual void coupleInput(const CoupledInput&) = 0;
  /// value[r] = sums of all layers less what the balls cost, plus input[r].
  virtual void dualValue(const Balls&, Sums input, Sums value) = 0;
  /// How each row stands after an evaluation, and its next step.
  virtual void judge(const AscentRows&) = 0;

  // --- boxes, as [lower, upper] around a nominal value ---
  /// mid/radius of a deviation box, for Pass::forward and Pass::magnitude.
  virtual void midRadius(View lower, View upper, View mid, View radius) = 0;
  /// Intersects the box mid -+ radius (radius rounded up by `slack` relative to radius + |mid|) with
  /// -+ reach[feature] * rho[row], rounded up by `slack` too; reach (device memory) null: rho alone; rho
  /// infinite: no ball. Never inverts a box: 0 stays inside.
  virtual void ballBox(View mid, View radius, const float* reach, Rows rho, float slack, View lower,
                       View upper) = 0;
  /// [intoLower, intoUpper] <- its intersection with [lower, upper]; both contain 0.
  virtual void intersectBox(View lower, View upper, View intoLower, View intoUpper) = 0;
  /// Deviation box of relu(zhat + dz) from that of dz.
  virtual void reluBox(View zhat, View lower, View upper, View outLower, View outUpper) = 0;
  /// y = max(x, 0).
  virtual void relu(View x, View y) = 0;
  /// g = 0 where x <= 0.
  virtual void reluMask(View x, View g) = 0;

  // --- attack ---
  /// value[r] = a_r . b_r.
  virtual void dot(View a, View b, Rows value) = 0;
  /// In rows where value < best: best = value and kept = x.
  virtual void keepBest(Rows value, View x, Rows best, View kept) = 0;
  /// One step of projected steepest descent on dx: by `step` half widths against the gradient's sign (box),
  /// or by step * eps along gradient / ||gradient|| (2-norm for l2, largest entry for l1, both without the
  /// entries that a clip range blocks; none moves further than step * eps), then to the nearest point of the
  /// region. Box and clip range must contain 0.
  virtual void descend(const InputRegion& region, View gradient, float step, View dx) = 0;

  // --- sampling ---
  /// Row r = center + sigma * (independent standard normal numbers of row stream.first + r); center:
  /// [features] in device memory. Features 4i to 4i + 3 are two pairs of Box and Muller's transform of
  /// Philox 4x32-10 at counter (i, row, stream, 0) with the seed as key.
  virtual void noise(const NoiseStream& stream, const float* center, float sigma, View out) = 0;
};

/// The CPU backend of the best instruction set this machine runs, or of a named one ("avx512", "avx2",
/// "portable"); throws std::invalid_argument for a name this machine cannot run.
std::unique_ptr<Backend> makeCpuBackend(const char* instructionSet = nullptr);
/// Instruction sets this machine runs, best first, e.g. "avx512", "avx2", "portable".
std::vector<const char*> cpuInstructionSets();

}  // namespace bulwark
