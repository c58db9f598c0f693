// Networks and regions for the tests of the dual.
#pragma once

#include <string>
#include <vector>

#include "bounds/dual.h"
#include "bounds/images.h"
#include "bounds/options.h"
#include "kernels/thread_pool.h"
#include "selftest/batch.h"

namespace bulwark::selftest {

struct NamedNetwork {
  std::string name;
  Network network;
};

/// A chain of matrices, convolutions of several kinds, residual blocks with the ReLU on the sum, and
/// pre-activations that feed their ReLU and a shortcut. Weights are float32 numbers.
std::vector<NamedNetwork> boundsNetworks(Random& random);

struct NamedRegion {
  std::string name;
  Region region;
};

/// `count` images in every kind of region.
std::vector<NamedRegion> boundsRegions(Random& random, int count, int size);

struct NamedPreset {
  const char* name;
  Method method;
};
constexpr NamedPreset kPresets[] = {{"ibp", Method::ibp},
                                    {"crown", Method::crown},
                                    {"alpha-crown", Method::alphaCrown},
                                    {"sdp-crown", Method::sdpCrown},
                                    {"joint", Method::joint}};

/// Images ready for the dual, cheap boxes included.
struct ReadyImages {
  ReadyImages(const Network& network, Backend& backend, const Region& region, bool balls)
      : prepared(network, backend), images(prepared, backend, region, 0, region.count, balls) {
    for (int block = 0; block < images.blocks(); ++block) {
      images.runNominal(backend, block);
      images.propagateBoxes(backend, block);
    }
  }
  const Prepared prepared;
  Images images;
};

/// Every row random, one batch of `blocks` blocks on the output; row r belongs to image r % count.
struct ReadyRows {
  ReadyRows(Random& random, const Images& images, Backend& backend, int blocks, const DualPreset& preset);
  /// As DualBatch, with the host's numbers; one learning step for all rows.
  void evaluate(std::vector<double>& value);
  void ascend(double step, double correction);
  DualBatch batch;
  std::vector<std::vector<double>> c;
  std::vector<int32_t> image;

 private:
  Backend& backend_;
};

}  // namespace bulwark::selftest
