#include "selftest/device_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>

#include "bounds/bounds.h"
#include "selftest/batch.h"
#include "selftest/bench.h"
#include "selftest/bench_networks.h"

namespace bulwark::selftest {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Seconds of one call by the clock on the wall, the device's work included: the fastest of five stretches.
double secondsOf(Backend& backend, double budget, const std::function<void()>& call) {
  const auto stretch = [&](int calls) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    backend.finish();
    return since(start);
  };
  stretch(1);
  int calls = 1;
  double seconds = stretch(calls);
  while (seconds < budget / 10) seconds = stretch(calls *= 2);
  double best = seconds;
  for (int i = 1; i < 5; ++i) best = std::min(best, stretch(calls));
  return best / calls;
}

class Bench {
 public:
  Bench(Device& device, int threads, const BenchScale& scale, double peak, std::FILE* out,
        const LibraryProduct& library)
      : device_(device),
        threads_(threads),
        scale_(scale),
        peak_(peak),
        out_(out),
        library_(library),
        backend_(device.makeBackend()) {}

  void run() {
    std::fprintf(out_, "device %s (%s), %d lanes\n", device_.kind(), backend_->name(), backend_->lanes());
    if (scale_.kernels) kernels();
    for (const BenchNetwork& network : benchNetworks()) whole(network);
  }

 private:
  void kernels() {
    measureCeilings();
    affines();
    libraryProducts();
    // 200 images x 9 rows, in a layer that stays in the caches and in one that does not.
    const int rows = 9 * scale_.images;
    relus(100, rows);
    relus(std::max(8, scale_.productSize), rows);
    inputs(784, rows);
  }

  int blocksFor(int rows) const { return (rows + backend_->lanes() - 1) / backend_->lanes(); }
  double time(const std::function<void()>& call) { return secondsOf(*backend_, scale_.budget, call); }

  void measureCeilings() {
    const int lanes = backend_->lanes();
    const int blocks = std::max(1, static_cast<int>(scale_.copyBytes / sizeof(float) / 1024 / lanes));
    Batch from(*backend_, 1024, blocks), to(*backend_, 1024, blocks);
    const double bytes = 2.0 * sizeof(float) * 1024 * blocks * lanes;
    copy_ = bytes / time([&] { backend_->copy(from.view(), to.view(), Write::assign); });
    const int size = scale_.productSize;
    const AffineProblem product = linearProblem("product", size, size, Pass::forward, size);
    const double achieved = product.flops / secondsOfAffine(product);
    std::fprintf(out_, "%-58s %10.1f GB/s\n", "ceiling: large copy, read and written", copy_ / 1e9);
    std::fprintf(out_, "%-58s %10.1f GFLOP/s\n", "ceiling: multiply-adds alone, float32", peak_ / 1e9);
    std::fprintf(out_, "%-58s %10.1f GFLOP/s (%.1f %% of multiply-adds)\n", "large product, float32",
                 achieved / 1e9, 100 * achieved / peak_);
  }

  double secondsOfAffine(const AffineProblem& problem) {
    const auto plan = backend_->plan(problem.affine);
    const bool adjoint = problem.pass == Pass::adjoint;
    const int in = inputSize(problem.affine), out = outputSize(problem.affine);
    Batch x(*backend_, adjoint ? out : in, blocksFor(problem.rows));
    Batch y(*backend_, adjoint ? in : out, blocksFor(problem.rows));
    backend_->fill(x.view(), 0.5f);
    return time([&] { backend_->apply(*plan, problem.pass, x.view(), y.view(), Write::assign); });
  }

  void affines() {
    const int rows = 9 * scale_.images;
    std::fprintf(out_, "affine operators, %d rows: achieved, of the multiply-adds' ceiling, of the copy's\n",
                 rows);
    for (const BenchNetwork& network : benchNetworks()) {
      if (network.large && scale_.imagesOfLarge == 0) continue;
      const int count = 9 * (network.large ? scale_.imagesOfLarge : scale_.images);
      for (const Affine& affine : network.network.affines) {
        const double weights = weightsApplied(affine);
        for (const Pass pass : {Pass::forward, Pass::adjoint}) {
          const AffineProblem problem{"", affine, pass, count, 2.0 * weights * count};
          const double seconds = secondsOfAffine(problem);
          const double bytes =
              sizeof(float) * static_cast<double>(count) * (inputSize(affine) + outputSize(affine));
          std::fprintf(
              out_, "  %-56s %10.1f us %10.1f GFLOP/s %5.1f %% %8.1f GB/s %5.1f %%\n",
              (network.name + " " + describe(affine) + (pass == Pass::forward ? "" : ", adjoint")).c_str(),
              seconds * 1e6, problem.flops / seconds / 1e9, 100 * problem.flops / seconds / peak_,
              bytes / seconds / 1e9, 100 * bytes / seconds / copy_);
        }
      }
    }
  }

  /// The networks' dense layers by the vendor's library, on rows as they lie here and as it likes them best.
  void libraryProducts() {
    if (!library_) return;
    const auto row = [&](const std::string& name, int in, int out, int rows) {
      for (const bool inBlocks : {true, false}) {
        const cuda::ProductTime time = library_(in, out, rows, inBlocks);
        if (!time.absence.empty()) return std::fprintf(out_, "  no cuBLAS: %s\n", time.absence.c_str());
        const double flops = 2.0 * in * out * rows;
        std::fprintf(out_, "  %-56s %10.1f us %10.1f GFLOP/s %5.1f %%\n",
                     (name + (inBlocks ? ", rows in blocks" : ", rows in one")).c_str(), time.seconds * 1e6,
                     flops / time.seconds / 1e9, 100 * flops / time.seconds / peak_);
      }
      return 0;
    };
    std::fprintf(out_, "cuBLAS, float32 without tensor cores\n");
    if (row("large product", scale_.productSize, scale_.productSize, scale_.productSize) != 0) return;
    for (const BenchNetwork& network : benchNetworks())
      for (const Affine& affine : network.network.affines)
        if (const auto* linear = std::get_if<Linear>(&affine)) {
          const int rows = 9 * (network.large ? scale_.imagesOfLarge : scale_.images);
          row(network.name + " " + describe(affine), linear->in, linear->out, rows);
          row(network.name + " " + describe(affine) + ", adjoint", linear->out, linear->in, rows);
        }
  }

  void stream(const std::string& name, double bytes, const std::function<void()>& call) {
    const double seconds = time(call);
    std::fprintf(out_, "  %-56s %10.1f us %10.1f GB/s    %5.1f %% of the copy\n", name.c_str(), seconds * 1e6,
                 bytes / seconds / 1e9, 100 * bytes / seconds / copy_);
  }

  void relus(int features, int rows) {
    const int blocks = blocksFor(rows);
    const auto batch = [&](float value) {
      auto made = std::make_unique<Batch>(*backend_, features, blocks);
      backend_->fill(made->view(), value);
      return made;
    };
    const auto zhat = batch(0.1f), lower = batch(-1), upper = batch(1), slope = batch(0.5f), c = batch(0.3f);
    const auto v = batch(0), dz = batch(0.1f), y = batch(0.2f), first = batch(0), second = batch(0);
    RowValues lambda(*backend_, blocks), distance2(*backend_, blocks), step(*backend_, blocks);
    RowValues correction(*backend_, blocks), payment(*backend_, blocks), passed2(*backend_, blocks);
    RowSums value(*backend_, blocks);
    lambda.set([](int) { return 0.5; });
    payment.set([](int) { return 0.2; });
    step.set([](int) { return 0; });
    correction.set([](int) { return 1; });
    const Adam adam{first->view(), second->view(), step.device(), correction.device()};
    ReluLayer layer{zhat->view(),    lower->view(),   upper->view(), slope->view(),
                    lambda.device(), SlopeRule::free, false};
    const double array = sizeof(float) * static_cast<double>(features) * blocks * backend_->lanes();
    std::fprintf(out_, "ReLU layer of %d features, %d rows\n", features, rows);
    const auto dual = [&] {
      backend_->reluDual(layer, c->view(), nullptr, v->view(), dz->view(), value.device(),
                         distance2.device());
    };
    stream("reluDual, free slopes", 7 * array, dual);
    layer.payment = payment.device();
    layer.passed2 = passed2.device();
    stream("reluDual, free slopes, paying", 7 * array, dual);
    stream("reluAscend, free slopes", 11 * array,
           [&] { backend_->reluAscend(layer, y->view(), dz->view(), c->view(), adam); });
  }

  void inputs(int features, int rows) {
    const int blocks = blocksFor(rows);
    Batch a(*backend_, features, blocks), lower(*backend_, features, blocks),
        upper(*backend_, features, blocks);
    Batch dx(*backend_, features, blocks);
    RowValues eps(*backend_, blocks), lambda(*backend_, blocks);
    RowSums value(*backend_, blocks);
    backend_->fill(a.view(), 0.2f);
    backend_->fill(lower.view(), -0.3f);
    backend_->fill(upper.view(), 0.3f);
    eps.set([](int) { return 1; });
    lambda.set([](int) { return 0.7; });
    const InputRegion region{InputKind::l2, true, lower.view(), upper.view(), eps.device(), lambda.device()};
    const double array = sizeof(float) * static_cast<double>(features) * blocks * backend_->lanes();
    std::fprintf(out_, "input of %d features, %d rows\n", features, rows);
    stream("inputDual, clipped l2, 2 steps", 10 * array,
           [&] { backend_->inputDual(region, a.view(), 2, dx.view(), value.device()); });
    stream("descend, clipped l2", 3 * array, [&] { backend_->descend(region, a.view(), 0.1f, dx.view()); });
  }

  /// Joint bounds of nine margins an image, every step taken.
  void whole(const BenchNetwork& bench) {
    const int images = bench.large ? scale_.imagesOfLarge : scale_.images;
    if (images == 0) return;
    ThreadPool pool(threads_);
    Workers workers(pool, device_);
    const Prepared prepared(bench.network, workers.main());
    const StopCheck never = [] { return false; };
    prepared.computeNorms(never, workers.parallel());  // once a network
    const Region region = bench.region(images);
    const Specification rows = ninePerImage(bench.network.outputSize());
    BoundsOptions options;
    options.method = Method::joint;
    options.boxes = BoxSource::cheap;
    options.iterations = std::min(2, scale_.iterations);
    computeBounds(prepared, region, rows, options, workers, never, {});  // memory is taken here
    options.iterations = scale_.iterations;
    const auto start = Clock::now();
    const BoundsResult result = computeBounds(prepared, region, rows, options, workers, never, {});
    const double seconds = since(start);
    const auto neurons = neuronsOf(bench.network);
    const bool finite =
        std::all_of(result.lower.begin(), result.lower.end(), [](double x) { return std::isfinite(x); });
    std::fprintf(out_, "%-24s %6d ReLUs %5d images, %3d steps: %9.1f images/s (%.3f s)%s\n",
                 bench.name.c_str(), neurons, images, scale_.iterations, images / seconds, seconds,
                 finite ? "" : " NOT FINITE");
    for (const std::string& note : workers.notes()) std::fprintf(out_, "  %s\n", note.c_str());
  }

  Device& device_;
  const int threads_;
  const BenchScale scale_;
  const double peak_;
  std::FILE* const out_;
  const LibraryProduct& library_;
  const std::unique_ptr<Backend> backend_;
  double copy_ = 0;
};

}  // namespace

BenchScale deviceScale() {
  return {.images = 200,
          .imagesOfLarge = 200,
          .iterations = 120,
          .copyBytes = size_t{1} << 30,
          .productSize = 4096,
          .budget = 0.2};
}

BenchScale cpuScale() {
  return {.images = 16,
          .imagesOfLarge = 1,
          .iterations = 120,
          .copyBytes = size_t{1} << 27,
          .productSize = 1024,
          .budget = 0.1};
}

void benchDevice(Device& device, int threads, const BenchScale& scale, double peak, std::FILE* out,
                 const LibraryProduct& library) {
  Bench(device, threads, scale, peak, out, library).run();
}

}  // namespace bulwark::selftest
